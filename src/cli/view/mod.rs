//! What commands show: values first, then two forms of each, one for people and one as JSON.

pub(super) mod hold;
pub(super) mod plan;
pub(super) mod plan_text;
pub(super) mod text;
