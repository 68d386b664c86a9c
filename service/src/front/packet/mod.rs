//! One packet of the client, one file.

pub mod acknowledgements;
pub mod connect;
pub mod disconnect;
pub mod publish;
pub mod subscribe;
pub mod unsubscribe;
