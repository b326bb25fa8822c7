//! What a browser says of a passkey, and how it is verified (W3C Web Authentication, level 3), as far as it is needed
//! here. Who made the device is not asked ("none" attestation), and its public key is taken as the browser writes it
//! (`getPublicKey`), so that no CBOR has to be read. `ring` verifies the signatures.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::{Config, PublicUrl, is_local_host};

/// What the standard allows.
const MAX_CREDENTIAL: usize = 1_023;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const HAS_CREDENTIAL: u8 = 1 << 6;

/// What passkeys are made for: the server's name, and where its page lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// The "relying party id": a name without scheme and port.
    pub name: String,
    origins: Vec<String>,
}

impl Site {
    /// As it is configured, else as the request names it: a browser signs only for the site that it really shows. None
    /// where browsers have no passkeys: under addresses of numbers, and over plain http but on this machine itself.
    pub fn of(config: &Config, headers: &HeaderMap) -> Option<Self> {
        if let Some(url) = &config.public_url {
            let (_, host) = url.origin.split_once("://")?;
            let is_secure = url.is_https() || PublicUrl::is_local(url);
            return is_secure.then(|| Self::at(host, vec![url.origin.clone()])).flatten();
        }
        let host = headers.get(header::HOST)?.to_str().ok()?.to_ascii_lowercase();
        let mut origins = vec![format!("https://{host}")];
        if is_local_host(&host) {
            origins.push(format!("http://{host}"));
        }
        Self::at(&host, origins)
    }

    fn at(host: &str, origins: Vec<String>) -> Option<Self> {
        let name = host.split(':').next()?;
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
        // The last part of an address is a number, and that of a name is not.
        let is_name = name.rsplit('.').next()?.starts_with(|c: char| c.is_ascii_alphabetic());
        let whole = is_name && name.len() <= 253 && name.bytes().all(is_plain);
        whole.then(|| Self { name: name.to_owned(), origins })
    }
}

/// What the page asked the browser for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ceremony {
    Making,
    Using,
}

/// The browser's own account of what was signed: JSON, which the page cannot change without breaking the signature.
#[derive(Deserialize)]
pub struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

impl ClientData {
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    pub fn challenge(&self) -> Option<Vec<u8>> {
        BASE64.decode(&self.challenge).ok()
    }

    /// Whether it happened on our own page.
    pub fn is_of(&self, ceremony: Ceremony, site: &Site) -> bool {
        let kind = match ceremony {
            Ceremony::Making => "webauthn.create",
            Ceremony::Using => "webauthn.get",
        };
        self.kind == kind && !self.cross_origin && site.origins.contains(&self.origin)
    }
}

/// The device's own account.
pub struct AuthenticatorData<'a> {
    site_hash: &'a [u8],
    flags: u8,
    pub counter: u32,
    rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (site_hash, bytes) = bytes.split_at_checked(32)?;
        let (&flags, bytes) = bytes.split_first()?;
        let (counter, rest) = bytes.split_first_chunk()?;
        Some(Self { site_hash, flags, counter: u32::from_be_bytes(*counter), rest })
    }

    pub fn is_for(&self, site: &Site) -> bool {
        *self.site_hash == *Sha256::digest(&site.name)
    }

    /// Somebody touched the device.
    pub fn saw_somebody(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    /// It knows by a fingerprint, a face or a PIN that it was its owner.
    pub fn knew_the_owner(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// What the device knows the passkey by that it has just made.
    pub fn new_credential(&self) -> Option<&'a [u8]> {
        if self.flags & HAS_CREDENTIAL == 0 {
            return None;
        }
        let (_model, rest) = self.rest.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if !(1..=MAX_CREDENTIAL).contains(&length) {
            return None;
        }
        Some(rest.split_at_checked(length)?.0)
    }
}

/// A kind of key that is taken: how its DER (SubjectPublicKeyInfo) begins, which is always the same, and how long what
/// follows is.
struct Kind {
    begins: &'static [u8],
    length: usize,
    algorithm: &'static dyn VerificationAlgorithm,
}

const KINDS: [Kind; 3] = [
    // ES256: an uncompressed point of P-256.
    Kind {
        begins: b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
        length: 65,
        algorithm: &ECDSA_P256_SHA256_ASN1,
    },
    // Ed25519.
    Kind { begins: b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", length: 32, algorithm: &ED25519 },
    // RS256 with 2,048 bits, which Windows Hello has.
    Kind {
        begins: b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00",
        length: 270,
        algorithm: &RSA_PKCS1_2048_8192_SHA256,
    },
];

fn kind_of(key: &[u8]) -> Option<(&'static Kind, &[u8])> {
    KINDS.iter().find_map(|kind| {
        let inside = key.strip_prefix(kind.begins)?;
        (inside.len() == kind.length).then_some((kind, inside))
    })
}

/// Whether it can be verified with.
pub fn is_key(key: &[u8]) -> bool {
    kind_of(key).is_some()
}

/// Whether the key has signed both accounts.
pub fn has_signed(key: &[u8], authenticator_data: &[u8], client_data: &[u8], signature: &[u8]) -> bool {
    let Some((kind, inside)) = kind_of(key) else { return false };
    let signed = [authenticator_data, &Sha256::digest(client_data)].concat();
    UnparsedPublicKey::new(kind.algorithm, inside).verify(&signed, signature).is_ok()
}

/// Whether a device may count so after that. One that went back has perhaps been copied; many do not count at all.
pub fn has_gone_on(before: i64, counter: u32) -> bool {
    before == 0 || counter == 0 || i64::from(counter) > before
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn by_host(host: &str) -> Option<Site> {
        let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        Site::of(&Config::default(), &headers)
    }

    fn configured(url: &str) -> Option<Site> {
        let config = Config { public_url: Some(url.parse().unwrap()), ..Config::default() };
        // Whatever the request says.
        Site::of(&config, &HeaderMap::from_iter([(header::HOST, "elsewhere.example".parse().unwrap())]))
    }

    #[test]
    fn a_site_is_known_by_its_public_address_or_by_the_name_it_was_asked_for() {
        let site = configured("https://Messages.example.org:8443").unwrap();
        assert_eq!(site.name, "messages.example.org");
        assert_eq!(site.origins, ["https://messages.example.org:8443"]);
        assert_eq!(configured("http://localhost:8080").unwrap().origins, ["http://localhost:8080"]);
        let site = by_host("Messages.example.org").unwrap();
        assert_eq!(
            (&*site.name, &*site.origins),
            ("messages.example.org", &["https://messages.example.org".into()][..])
        );
        let site = by_host("localhost:8080").unwrap();
        assert_eq!(site.name, "localhost");
        assert_eq!(site.origins, ["https://localhost:8080", "http://localhost:8080"]);
        for none in [
            "http://messages.example.org",
            "http://127.0.0.1:8080",
            "https://192.0.2.7",
            "https://[::1]:8443",
        ] {
            assert_eq!(configured(none), None, "{none}");
        }
        for none in ["127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "", ":80", "a..", "a_b.example", "x.0x7f"] {
            assert_eq!(by_host(none), None, "{none}");
        }
    }

    #[test]
    fn counters_only_go_on() {
        for (before, counter, good) in
            [(0, 0, true), (0, 7, true), (7, 0, true), (7, 8, true), (7, 7, false), (7, 6, false)]
        {
            assert_eq!(has_gone_on(before, counter), good, "{before} {counter}");
        }
    }

    /// Made by OpenSSL over the same two accounts.
    const SIGNED: [(&str, &str); 3] = [
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQQVOFqceVfZJNRsKuFAERymBe6DLdCstEvgaQOgdmvSRsPEbSlFwEB0fyBUNAZHF5hkLwb3v\
             HBK90Or9wlDyYQ",
            "MEUCIQDEGYm8hk4aoz3sk7DIwT5X-S97F9ez4P1tTTS9FqbzjQIgS_TV_JVyx0ZajPOiE614dhNqPKsp5SWs38cCzYq5MFM",
        ),
        (
            "MCowBQYDK2VwAyEA7eWRqw2vn-7-NzGIn0qTB7arkbaNdXyINCojjqI49PY",
            "H-tirFP0rsZOAkaTdHeN6tUU7-4J5UBK4Rst_4pmIWXuojWJwJfbboSb5PC_LC-kHrvSIbzu6EgqVNRzJ_XlBg",
        ),
        (
            "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAoAQatQ0DP4l5h97bbtcXHs-wZnw12X_mqFrIsilmhrsajo_JJo-e2mGvnoWDnT2K\
             Uq3_YfodAjD2YIoHx5f97wAT0mjXb4lNKzu8RxLYmVqDUnpQeqb3rE2HQxhzCwVK4610_u1Osmyvv_6K_CubwePsgy9xXUEK8l9r3NE3DeVri\
             T66Gqz-O3zVbJOPdrgjcU2dmn7vZUfMUQN0XsMhtB6mjRpGHBe5rkyqh5LQZZcEn99ryR0N3YlXxa8yShiF2Fx_00c6WvVeM7goA0wAEYZH9V\
             09CLaJ01lZCOb1iOXPrJNeWozss28c7yCEKq2dUVacLk2JVhqI2lyP9w4soQIDAQAB",
            "d_Wjdx465gMkYFj55Y-WjQ3BXsX8S5pZiDXrJB8pX1fIlzDPifO8A9LKganJT--hkfZbtHH_IVSCON6z2tlkI239RRGDMlKjMiVJz6YUYvq66\
             vy0Twq-nFXQEqtqA51pcig4-J-ptRVZEzR64g-H4yu2IpFuBfa7ovqEfEUm73mqTcLRjEN9HSGuS8tNeiQB8hhug85v05n6qRTF5DX60aiskY\
             WwhccD1fEijrT5igyj6oLQp0olv8cwIY25xKHwXcDeB8_PdTot4B1kiW6SnzcyQuebCtQXr3Atun4pIhO7gNCrQ42zbSe1mhO8JNY5kuCOT4I\
             S5nsFDQsHCm6m7Q",
        ),
    ];

    #[test]
    fn what_others_have_signed_is_known_as_theirs() {
        for (key, signature) in
            SIGNED.map(|(key, signature)| (BASE64.decode(key).unwrap(), BASE64.decode(signature).unwrap()))
        {
            let signed =
                |data: &[u8], client: &[u8], signature: &[u8]| has_signed(&key, data, client, signature);
            assert!(signed(b"authenticator", b"client", &signature));
            assert!(!signed(b"authenticator", b"another", &signature));
            assert!(!signed(b"authenticatoR", b"client", &signature));
            for at in 0..signature.len() {
                let mut other = signature.clone();
                other[at] ^= 1;
                assert!(!signed(b"authenticator", b"client", &other), "{at}");
            }
        }
    }

    /// RFC 8410, appendix A; and one bit more or less of it.
    #[test]
    fn only_whole_keys_of_a_known_kind_are_keys() {
        let key = BASE64.decode("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE").unwrap();
        assert!(is_key(&key));
        for at in 0..12 {
            let mut other = key.clone();
            other[at] ^= 1;
            assert!(!is_key(&other), "{at}");
        }
        assert!(!is_key(&key[..43]));
        assert!(!is_key(&[&key[..], &[0]].concat()));
        assert!(!is_key(&[]));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_the_readers(bytes in vec(any::<u8>(), 0..300)) {
            drop(ClientData::read(&bytes));
            prop_assert!(!has_signed(&bytes, &bytes, &bytes, &bytes));
            let data = AuthenticatorData::read(&bytes);
            prop_assert_eq!(data.is_some(), bytes.len() >= 37);
            if let Some(credential) = data.and_then(|data| data.new_credential()) {
                prop_assert_eq!(&bytes[55..][..credential.len()], credential);
            }
        }

        #[test]
        fn no_signature_that_comes_is_taken_for_one(kind in 0..KINDS.len(), inside in vec(any::<u8>(), 270), signature in vec(any::<u8>(), 0..300)) {
            let Kind { begins, length, .. } = KINDS[kind];
            let key = [begins, &inside[..length]].concat();
            prop_assert!(is_key(&key));
            prop_assert!(!has_signed(&key, b"authenticator", b"client", &signature));
        }

        #[test]
        fn what_browsers_write_is_read(challenge in vec(any::<u8>(), 32), more in "[a-z]{0,9}") {
            let json = serde_json::json!({
                "type": "webauthn.get", "challenge": BASE64.encode(&challenge), "origin": "http://localhost:1",
                "crossOrigin": false, "other_keys_can_be_added_here": more,
            });
            let said = ClientData::read(json.to_string().as_bytes()).unwrap();
            prop_assert_eq!(said.challenge(), Some(challenge));
            let site = by_host("localhost:1").unwrap();
            prop_assert!(said.is_of(Ceremony::Using, &site));
            prop_assert!(!said.is_of(Ceremony::Making, &site));
            prop_assert!(!said.is_of(Ceremony::Using, &by_host("localhost:2").unwrap()));
        }
    }

    #[test]
    fn a_new_credential_is_as_long_as_it_says() {
        let of = |flags: u8, length: u16, there: usize| {
            [&[0; 32][..], &[flags], &[0; 4], &[0; 16], &length.to_be_bytes(), &vec![7; there]].concat()
        };
        let read = |bytes: &[u8]| AuthenticatorData::read(bytes).unwrap().new_credential().map(<[u8]>::len);
        assert_eq!(read(&of(HAS_CREDENTIAL, 20, 20)), Some(20));
        assert_eq!(read(&of(HAS_CREDENTIAL, 20, 97)), Some(20));
        assert_eq!(read(&of(HAS_CREDENTIAL, 1_023, 1_023)), Some(1_023));
        for (flags, length, there) in
            [(0, 20, 20), (HAS_CREDENTIAL, 20, 19), (HAS_CREDENTIAL, 0, 20), (HAS_CREDENTIAL, 1_024, 1_024)]
        {
            assert_eq!(read(&of(flags, length, there)), None, "{flags} {length} {there}");
        }
    }
}
