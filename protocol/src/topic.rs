//! The grammar of the reserved tree `$provisioning/`. No topic names a device: identity comes from the connection.

use crate::Format;

/// Root of the reserved tree of this protocol.
pub const ROOT: &str = "$provisioning/";

/// Where a device is told that it should register again (rule C7), also by its hub.
pub const NOTIFY: &str = "$provisioning/notify";

/// The request and suffix of an exact answer topic.
pub fn parse_answer(topic: &str) -> Option<(Request, Suffix)> {
    Request::ALL.into_iter().find_map(|request| {
        let suffix = Suffix::ALL.into_iter().find(|suffix| answer(request, *suffix) == topic)?;
        Some((request, suffix))
    })
}

/// What a publication asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Register, or register again.
    Register,
    /// Look the registration up; never changes anything (rule C6).
    Status,
}

/// Which of an answer's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suffix {
    /// Final: the registration.
    Accepted,
    /// Refused, or to be made again.
    Rejected,
    /// Still under way.
    Pending,
    /// Any of the three on one exact topic, for clients that can listen to one only.
    Response,
}

impl Request {
    const ALL: [Self; 2] = [Self::Register, Self::Status];

    /// The topic that a client publishes to.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Register => "$provisioning/register",
            Self::Status => "$provisioning/status",
        }
    }

    /// The request that a publication's topic names, with the format where the topic has one.
    pub fn parse(topic: &str) -> Option<(Self, Option<Format>)> {
        Self::ALL.into_iter().find_map(|request| match topic.strip_prefix(request.topic())? {
            "" => Some((request, None)),
            "/json" => Some((request, Some(Format::Json))),
            "/cbor" => Some((request, Some(Format::Cbor))),
            _ => None,
        })
    }
}

impl Suffix {
    const ALL: [Self; 4] = [Self::Accepted, Self::Rejected, Self::Pending, Self::Response];
}

/// The topic of an answer.
pub const fn answer(request: Request, suffix: Suffix) -> &'static str {
    match (request, suffix) {
        (Request::Register, Suffix::Accepted) => "$provisioning/register/accepted",
        (Request::Register, Suffix::Rejected) => "$provisioning/register/rejected",
        (Request::Register, Suffix::Pending) => "$provisioning/register/pending",
        (Request::Register, Suffix::Response) => "$provisioning/register/response",
        (Request::Status, Suffix::Accepted) => "$provisioning/status/accepted",
        (Request::Status, Suffix::Rejected) => "$provisioning/status/rejected",
        (Request::Status, Suffix::Pending) => "$provisioning/status/pending",
        (Request::Status, Suffix::Response) => "$provisioning/status/response",
    }
}

/// A set of answer topics and [`NOTIFY`]: what a subscription to the reserved tree covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answers(u16);

impl Answers {
    const NOTICES: u16 = 1 << 8;

    /// The answers that a filter covers: one answer topic, or all of one request with `+` or `#`; or [`NOTIFY`]. Any other filter below
    /// the root is foreign and gives `None`.
    pub fn of_filter(filter: &str) -> Option<Self> {
        if filter == NOTIFY {
            return Some(Self(Self::NOTICES));
        }
        let mut covered = 0;
        for request in Request::ALL {
            let rest = filter.strip_prefix(request.topic()).and_then(|rest| rest.strip_prefix('/'));
            for suffix in Suffix::ALL {
                if answer(request, suffix) == filter || matches!(rest, Some("+" | "#")) {
                    covered |= Self::bit(request, suffix);
                }
            }
        }
        (covered != 0).then_some(Self(covered))
    }

    /// All answers to one request.
    pub const fn of_request(request: Request) -> Self {
        Self(0b1111 << (request as u8 * 4))
    }

    /// Whether the two sets have an answer in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set has [`NOTIFY`].
    pub const fn has_notices(self) -> bool {
        self.0 & Self::NOTICES != 0
    }

    /// Whether the set has that answer.
    pub const fn contains(self, request: Request, suffix: Suffix) -> bool {
        self.0 & Self::bit(request, suffix) != 0
    }

    /// What either set has.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set as bits, to be kept in an atomic.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set that [`Self::bits`] gave.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    const fn bit(request: Request, suffix: Suffix) -> u16 {
        1 << (request as u8 * 4 + suffix as u8)
    }
}

/// Whether a topic or filter lies in a tree that the front door answers itself: any that begins with `$`.
pub fn is_reserved(topic: &str) -> bool {
    topic.starts_with('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_topic_may_name_its_format() {
        assert_eq!(Request::parse("$provisioning/register"), Some((Request::Register, None)));
        assert_eq!(Request::parse("$provisioning/register/cbor"), Some((Request::Register, Some(Format::Cbor))));
        assert_eq!(Request::parse("$provisioning/status/json"), Some((Request::Status, Some(Format::Json))));
    }

    #[test]
    fn foreign_topics_below_the_root_are_no_requests() {
        for topic in [
            "$provisioning",
            "$provisioning/",
            "$provisioning/registers",
            "$provisioning/register/",
            "$provisioning/register/xml",
            "$provisioning/register/accepted",
            "$PROVISIONING/register",
            "provisioning/register",
            "$provisioning/register/dev-1",
        ] {
            assert_eq!(Request::parse(topic), None, "{topic}");
        }
    }

    #[test]
    fn a_filter_covers_one_answer_or_all_of_one_request() {
        let one = Answers::of_filter("$provisioning/register/accepted").unwrap();
        assert!(one.contains(Request::Register, Suffix::Accepted));
        assert!(!one.contains(Request::Register, Suffix::Response));
        for filter in ["$provisioning/register/+", "$provisioning/register/#"] {
            let all = Answers::of_filter(filter).unwrap();
            assert!(
                all.contains(Request::Register, Suffix::Pending) && !all.contains(Request::Status, Suffix::Pending)
            );
        }
    }

    #[test]
    fn notices_are_a_topic_beside_the_answers() {
        let notices = Answers::of_filter(NOTIFY).unwrap();
        assert!(notices.has_notices() && !Answers::of_filter("$provisioning/register/#").unwrap().has_notices());
        for request in Request::ALL {
            assert!(!notices.intersects(Answers::of_request(request)));
            let both = notices.union(Answers::of_request(request));
            assert!(Answers::from_bits(both.bits()).has_notices() && both.contains(request, Suffix::Pending));
        }
    }

    #[test]
    fn wider_and_foreign_filters_are_refused() {
        for filter in [
            "#",
            "+/#",
            "$provisioning/#",
            "$provisioning/+",
            "$provisioning/+/accepted",
            "$provisioning/register",
            "$provisioning/register/accepted/#",
            "$provisioning/register/dev-2",
            "$provisioning/events/#",
            "$provisioning/notify/#",
            "$share/g/$provisioning/register/#",
        ] {
            assert_eq!(Answers::of_filter(filter), None, "{filter}");
        }
    }
}
