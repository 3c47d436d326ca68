//! The client against canned answers, in paused time.
