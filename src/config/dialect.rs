//! Reads `[targets.NAME.dialect]`: the switches of one platform.

use super::reading::{Entry, Reading, Table, Wrong};
use crate::scim::dialect::{ClearValue, Dialect, MemberRemove, MembersRead, UpdateMethod};

/// Members or resources in one request; more is refused or cut by servers.
const IN_ONE_REQUEST_MAX: u32 = 1000;

/// Reads the switches over those of the preset.
pub(super) fn read(mut table: Table, preset: Dialect, reading: &mut Reading<'_>) -> Dialect {
    let content_type = table.optional("content_type", reading, media_type);
    let update_method = table.optional("update_method", reading, |entry| {
        entry.choice(&[("patch", UpdateMethod::Patch), ("put_merge", UpdateMethod::PutMerge)])
    });
    let member_remove = table.optional("member_remove", reading, |entry| {
        entry.choice(&[
            ("value_filter", MemberRemove::ValueFilter),
            ("value_array", MemberRemove::ValueArray),
            ("put_merge", MemberRemove::PutMerge),
        ])
    });
    let member_batch = table.optional("member_batch", reading, amount);
    let members_read = table.optional("members_read", reading, |entry| {
        entry.choice(&[
            ("auto", MembersRead::Auto),
            ("plain", MembersRead::Plain),
            ("attributes", MembersRead::Attributes),
            ("never", MembersRead::Never),
        ])
    });
    let group_create_with_members =
        table.optional("group_create_with_members", reading, Entry::truth);
    let clear_value = table.optional("clear_value", reading, |entry| {
        entry.choice(&[("remove", ClearValue::Remove), ("replace_empty", ClearValue::ReplaceEmpty)])
    });
    let match_external_id = table.optional("match_external_id", reading, Entry::truth);
    let page_size = table.optional("page_size", reading, amount);
    table.finish(reading);
    Dialect {
        content_type: content_type.unwrap_or(preset.content_type),
        update_method: update_method.unwrap_or(preset.update_method),
        member_remove: member_remove.unwrap_or(preset.member_remove),
        member_batch: member_batch.unwrap_or(preset.member_batch),
        members_read: members_read.unwrap_or(preset.members_read),
        group_create_with_members: group_create_with_members
            .unwrap_or(preset.group_create_with_members),
        clear_value: clear_value.unwrap_or(preset.clear_value),
        match_external_id: match_external_id.unwrap_or(preset.match_external_id),
        page_size: page_size.unwrap_or(preset.page_size),
    }
}

fn amount(entry: &Entry) -> Result<usize, Wrong> {
    let amount = entry.whole(&(1..=IN_ONE_REQUEST_MAX))?;
    usize::try_from(amount).map_err(|_| "is out of reach".into())
}

/// A media type without parameters (RFC 9110 §8.3.1).
fn media_type(entry: &Entry) -> Result<String, Wrong> {
    let text = entry.filled()?;
    let token = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) => Ok(text.to_owned()),
        _ => Err("expected a media type, as application/scim+json".into()),
    }
}
