"""Which attributes a filter may name. Apart from scim.py, because the library's adapters load it first."""

from django_scim.filters import GroupFilterQuery, UserFilterQuery


class UserFilter(UserFilterQuery):
    attr_map = {
        **UserFilterQuery.attr_map,
        ("externalId", None, None): "scim_external_id",
        ("displayName", None, None): "shown_name",
        ("title", None, None): "title",
    }


class GroupFilter(GroupFilterQuery):
    attr_map = {
        ("externalId", None, None): "scim_external_id",
        ("displayName", None, None): "name",
    }
