"""Settings: a database in memory, and SCIM behind one bearer token."""

import os

SECRET_KEY = "nothing here is signed"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_scim_project.urls"
INSTALLED_APPS = ["django_scim_project"]
MIDDLEWARE: list[str] = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
AUTH_USER_MODEL = "django_scim_project.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGGING_CONFIG = None

SCIM_TOKEN = os.environ["SCIM_TOKEN"]
SCIM_SERVICE_PROVIDER = {
    "SCHEME": "http",
    "NETLOC": os.environ["SCIM_NETLOC"],
    "AUTHENTICATION_SCHEMES": [
        {
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token in the Authorization header",
        }
    ],
    "WWW_AUTHENTICATE_HEADER": "Bearer",
    "AUTH_CHECK_MIDDLEWARE": "django_scim_project.scim.TokenCheck",
    "GROUP_MODEL": "django_scim_project.models.Group",
    "USER_ADAPTER": "django_scim_project.scim.UserAdapter",
    "GROUP_ADAPTER": "django_scim_project.scim.GroupAdapter",
    "USER_FILTER_PARSER": "django_scim_project.filters.UserFilter",
    "GROUP_FILTER_PARSER": "django_scim_project.filters.GroupFilter",
}
