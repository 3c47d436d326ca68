"""A tiny Django project whose only face is django-scim2, for tests of our client."""
