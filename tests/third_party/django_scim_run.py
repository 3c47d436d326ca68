"""Runs the django-scim2 project, empty and in memory, until it is told to end: --port-file FILE [--token TOKEN]"""

import os
from typing import Any
from urllib.parse import urlsplit

from serving import run


def make_app(url: str, token: str) -> Any:
    os.environ["DJANGO_SETTINGS_MODULE"] = "django_scim_project.settings"
    os.environ["SCIM_NETLOC"] = urlsplit(url).netloc
    os.environ["SCIM_TOKEN"] = token

    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    app = get_wsgi_application()
    # The database lives in memory, in the connection of this one thread.
    call_command("migrate", run_syncdb=True, verbosity=0)
    return app


if __name__ == "__main__":
    run("/scim/v2", make_app)
