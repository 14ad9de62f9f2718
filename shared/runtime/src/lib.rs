//! Process plumbing: signals, listeners, supervised tasks
