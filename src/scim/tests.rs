//! The SCIM edge against canned answers.
