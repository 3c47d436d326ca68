//! How one platform departs from the standard, as data: the switches that an operator may set under
//! `[targets.*.dialect]`. The defaults are what a server written to RFC 7644 understands.

/// The switches of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// `content_type`: media type of what we send.
    pub content_type: String,
    /// `update_method`: how attributes are changed.
    pub update_method: UpdateMethod,
    /// `member_remove`: how one member is taken out. The wrong form empties the group on some servers,
    /// so no form is ever tried in place of another.
    pub member_remove: MemberRemove,
    /// `member_batch`: members in one request.
    pub member_batch: usize,
    /// `members_read`: how the members of a group are read.
    pub members_read: MembersRead,
    /// `group_create_with_members`: whether a create may carry the first members.
    pub group_create_with_members: bool,
    /// `clear_value`: how an attribute is emptied.
    pub clear_value: ClearValue,
    /// `match_external_id`: whether the server stores `externalId` and filters on it.
    pub match_external_id: bool,
    /// `page_size`: resources asked for at once when listing.
    pub page_size: usize,
}

/// How attributes are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMethod {
    /// `patch`: PATCH, one operation for each attribute, each with a path (RFC 7644 §3.5.2).
    Patch,
    /// `put_merge`: GET, merge, PUT (RFC 7644 §3.5.1).
    PutMerge,
}

/// How one member is taken out of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRemove {
    /// `value_filter`: `remove` with path `members[value eq "ID"]`, one operation each.
    ValueFilter,
    /// `value_array`: `remove` with path `members` and the members as value. A conforming server takes
    /// this as *remove everybody*.
    ValueArray,
    /// `put_merge`: GET, leave the member out, PUT.
    PutMerge,
}

/// How the members of a group are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MembersRead {
    /// `auto`: as `plain`, and as `attributes` where that shows nobody.
    Auto,
    /// `plain`: they are part of the group.
    Plain,
    /// `attributes`: only a GET with `?attributes=members` shows them.
    Attributes,
    /// `never`: the target does not show them; a change counts once it is confirmed.
    Never,
}

/// How an attribute is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearValue {
    /// `remove`: operation `remove`.
    Remove,
    /// `replace_empty`: operation `replace` with an empty text.
    ReplaceEmpty,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            content_type: "application/scim+json".to_owned(),
            update_method: UpdateMethod::Patch,
            member_remove: MemberRemove::ValueFilter,
            member_batch: 50,
            members_read: MembersRead::Auto,
            group_create_with_members: false,
            clear_value: ClearValue::Remove,
            match_external_id: true,
            page_size: 100,
        }
    }
}
