//! SMTP without I/O (RFC 5321).
