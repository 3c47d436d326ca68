"""Users and groups, as simple as django-scim2 lets them be."""

from django.db import models
from django_scim.models import AbstractSCIMGroupMixin, AbstractSCIMUserMixin


class User(AbstractSCIMUserMixin):
    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: list[str] = []

    username = models.CharField(max_length=254, unique=True, db_collation="NOCASE")
    first_name = models.CharField(max_length=254, blank=True)
    last_name = models.CharField(max_length=254, blank=True)
    shown_name = models.CharField(max_length=254, blank=True)
    title = models.CharField(max_length=254, blank=True)
    department = models.CharField(max_length=254, blank=True)
    email = models.CharField(max_length=254, blank=True)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(auto_now_add=True)


class Group(AbstractSCIMGroupMixin):
    name = models.CharField(max_length=254)
    user_set = models.ManyToManyField(User, related_name="scim_groups")
