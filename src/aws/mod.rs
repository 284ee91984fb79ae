//! Amazon's credentials, and the tokens for Amazon MSK that are signed with them. [`credentials`] fetches the credentials from where the
//! configuration says, [`presign`] makes a token of them.

pub mod credentials;
pub mod presign;
