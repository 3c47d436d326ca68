"""What our project tells django-scim2: attributes, and who may come in.

What django-scim2 cannot do it shall not learn here: it stands for real servers that are built on it.
"""

import hmac

from django.conf import settings
from django.http import HttpResponse
from django_scim.adapters import SCIMGroup, SCIMUser
from django_scim.middleware import SCIMAuthCheckMiddleware

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class TokenCheck(SCIMAuthCheckMiddleware):
    def process_request(self, request):
        sent = request.headers.get("Authorization", "")
        if not hmac.compare_digest(sent.encode(), f"Bearer {settings.SCIM_TOKEN}".encode()):
            response = HttpResponse(status=401)
            response["WWW-Authenticate"] = "Bearer"
            return response
        return None


class UserAdapter(SCIMUser):
    @property
    def display_name(self):
        return self.obj.shown_name

    def to_dict(self):
        result = super().to_dict()
        result["title"] = self.obj.title
        result["schemas"].append(ENTERPRISE)
        result[ENTERPRISE] = {"department": self.obj.department}
        if not self.obj.email:
            result["emails"] = []
        return result

    def from_dict(self, d):
        # A PUT without address means that there is none any more; the library keeps the old one.
        self.obj.email = ""
        super().from_dict(d)
        self.obj.shown_name = d.get("displayName") or ""
        self.obj.title = d.get("title") or ""
        self.obj.department = d.get(ENTERPRISE, {}).get("department") or ""


class GroupAdapter(SCIMGroup):
    pass
