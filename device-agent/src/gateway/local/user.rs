//! Users of this machine, by the system's own look-up, so that every source of names is asked (files, LDAP, systemd's dynamic users).

use std::ffi::CString;
use std::mem::MaybeUninit;

/// Why a name is no user.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("there is no user {0:?} on this machine")]
    Unknown(String),
    #[error("user {name:?} cannot be looked up: {reason}")]
    Failed { name: String, reason: String },
}

/// Room for what the system says of a user. It grows where that is not enough, up to a limit.
const ROOM: usize = 1024;
const MOST_ROOM: usize = 1024 * 1024;

/// The id of a user, by name or by the number itself. Blocks.
pub fn id(name: &str) -> Result<u32, UserError> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let unknown = || UserError::Unknown(name.to_owned());
    let c_name = CString::new(name).map_err(|_| unknown())?;
    let mut room = vec![0; ROOM];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = std::ptr::null_mut();
        // SAFETY: the name is a C string, the buffer has the length given, and both pointers are to live values of their types.
        let code =
            unsafe { libc::getpwnam_r(c_name.as_ptr(), entry.as_mut_ptr(), room.as_mut_ptr(), room.len(), &mut found) };
        match code {
            // SAFETY: on success the pointer is null or to `entry`, which was filled in.
            0 => return unsafe { found.as_ref() }.map(|user| user.pw_uid).ok_or_else(unknown),
            libc::ERANGE if room.len() < MOST_ROOM => room.resize(room.len() * 2, 0),
            libc::EINTR => {}
            // What the manual names as other ways to say that there is no such user.
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Err(unknown()),
            code => {
                let reason = std::io::Error::from_raw_os_error(code).to_string();
                return Err(UserError::Failed { name: name.to_owned(), reason });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(id("root"), Ok(0));
        assert_eq!(id("1234"), Ok(1234));
    }

    #[test]
    fn a_name_that_nobody_has_is_told() {
        for name in ["no-such-user-here", "", "a\0b", "-1"] {
            assert_eq!(id(name), Err(UserError::Unknown(name.to_owned())));
        }
    }
}
