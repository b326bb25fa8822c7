//! The vault: the account's secrets and what it knows of its contacts, as one JSON document sealed under the
//! account key. Its version number is authenticated with it, so that the server cannot pass an old one off as
//! new.
//!
//! What a newer version wrote and this one does not know is kept as it was.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Error, Result, boxes,
    codec::enc,
    keys::{Key, derive, random_key},
};

/// A vault as the server stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedVault {
    pub version: u64,
    pub sealed: Vec<u8>,
}

/// The identity key of a contact that counts here: the one that was seen first, or one that was accepted later in its
/// place.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    pub identity: [u8; 32],
    /// Milliseconds since 1970, as all times here.
    pub first_seen: u64,
    /// When the safety number was compared.
    pub verified_at: Option<u64>,
    /// When `verified_at` was last set or taken back; 0 if never.
    marked_at: u64,
    /// The identities that this one was accepted in place of, the latest last.
    replaced: Vec<Replaced>,
    unknown: Map<String, Value>,
}

/// An identity that counted until somebody accepted another one.
#[derive(Clone, Debug, PartialEq)]
struct Replaced {
    identity: [u8; 32],
    until: u64,
}

impl Pin {
    pub(crate) fn new(identity: [u8; 32], first_seen: u64) -> Self {
        Pin {
            identity,
            first_seen,
            verified_at: None,
            marked_at: 0,
            replaced: Vec::new(),
            unknown: Map::new(),
        }
    }

    pub(crate) fn mark(&mut self, verified: bool, now: u64) {
        self.verified_at = verified.then_some(now);
        self.marked_at = now;
    }

    /// Another identity in the place of this one, by the person's own decision. Nobody has compared its number yet.
    pub(crate) fn accept(&mut self, identity: [u8; 32], now: u64) {
        self.replaced.retain(|replaced| replaced.identity != identity);
        let until = now.max(self.accepted_at() + 1);
        self.replaced.push(Replaced { identity: self.identity, until });
        self.identity = identity;
        self.first_seen = now;
        self.mark(false, now);
    }

    /// When it took the place of another one; 0 for one that was pinned when it was first seen.
    pub(crate) fn accepted_at(&self) -> u64 {
        self.replaced.last().map_or(0, |replaced| replaced.until)
    }

    /// Whether somebody accepted this one in the place of the other.
    fn follows(&self, other: &Pin) -> bool {
        self.accepted_at() > other.accepted_at()
            && self.replaced.iter().any(|replaced| replaced.identity == other.identity)
    }

    /// Takes in what another browser knows of the same contact. True when another identity counts now.
    fn merge(&mut self, theirs: Pin) -> bool {
        if self.identity == theirs.identity {
            self.unite(theirs);
            return false;
        }
        // Only an acceptance takes the place of a pin; of two that know nothing of each other the earlier one stands.
        let theirs_stands =
            theirs.follows(self) || (!self.follows(&theirs) && theirs.first_seen < self.first_seen);
        if theirs_stands {
            *self = theirs;
        }
        theirs_stands
    }

    fn unite(&mut self, theirs: Pin) {
        let mut replaced = std::mem::take(&mut self.replaced);
        for theirs in &theirs.replaced {
            match replaced.iter_mut().find(|ours| ours.identity == theirs.identity) {
                Some(ours) => ours.until = ours.until.max(theirs.until),
                None => replaced.push(theirs.clone()),
            }
        }
        replaced.sort_by_key(|replaced| replaced.until);
        // Of two at the same moment the cautious one stands.
        let ours = (self.marked_at, self.verified_at.is_none());
        let verified_at = if ours >= (theirs.marked_at, theirs.verified_at.is_none()) {
            self.verified_at
        } else {
            theirs.verified_at
        };
        let first_seen = self.first_seen.min(theirs.first_seen);
        let marked_at = self.marked_at.max(theirs.marked_at);
        *self = Pin { first_seen, verified_at, marked_at, replaced, ..theirs };
    }

    fn from_json(value: Value) -> Option<Self> {
        let Value::Object(mut unknown) = value else {
            return None;
        };
        let identity = bytes(&unknown.remove("identity")?)?;
        let first_seen = unknown.remove("first_seen")?.as_u64()?;
        let verified_at = match unknown.remove("verified_at") {
            None | Some(Value::Null) => None,
            Some(time) => Some(time.as_u64()?),
        };
        let marked_at = match unknown.remove("marked_at") {
            None => verified_at.unwrap_or(0),
            Some(time) => time.as_u64()?,
        };
        let replaced = match unknown.remove("replaced") {
            None => Vec::new(),
            Some(Value::Array(all)) => all.iter().map(Replaced::from_json).collect::<Option<_>>()?,
            Some(_) => return None,
        };
        Some(Pin { identity, first_seen, verified_at, marked_at, replaced, unknown })
    }

    fn to_json(&self) -> Value {
        let mut object = self.unknown.clone();
        object.insert("identity".into(), URL_SAFE_NO_PAD.encode(self.identity).into());
        object.insert("first_seen".into(), self.first_seen.into());
        object.insert("verified_at".into(), self.verified_at.into());
        if self.marked_at != self.verified_at.unwrap_or(0) {
            object.insert("marked_at".into(), self.marked_at.into());
        }
        if !self.replaced.is_empty() {
            object.insert("replaced".into(), self.replaced.iter().map(Replaced::to_json).collect());
        }
        Value::Object(object)
    }
}

impl Replaced {
    fn from_json(value: &Value) -> Option<Self> {
        Some(Replaced { identity: bytes(&value["identity"])?, until: value["until"].as_u64()? })
    }

    fn to_json(&self) -> Value {
        json!({"identity": URL_SAFE_NO_PAD.encode(self.identity), "until": self.until})
    }
}

pub(crate) struct Vault {
    pub identity_seed: Key,
    /// Newest last. The older ones still open what was wrapped for them.
    pub encryption_seeds: Vec<Key>,
    pub contacts: BTreeMap<Uuid, Pin>,
    pub settings: Map<String, Value>,
    unknown: Map<String, Value>,
}

impl Vault {
    pub fn generate() -> Self {
        Vault {
            identity_seed: random_key(),
            encryption_seeds: vec![random_key()],
            contacts: BTreeMap::new(),
            settings: Map::new(),
            unknown: Map::new(),
        }
    }

    pub fn newest_encryption_seed(&self) -> &Key {
        self.encryption_seeds.last().expect("a vault without an encryption seed is never made nor read")
    }

    pub fn seal(&self, account_key: &Key, account: Uuid, version: u64) -> SealedVault {
        let plaintext = Zeroizing::new(self.to_json());
        SealedVault { version, sealed: seal(account_key, account, version, plaintext.as_bytes()) }
    }

    pub fn open(account_key: &Key, account: Uuid, vault: &SealedVault) -> Result<Self> {
        let key = key(account_key, account);
        let plaintext = boxes::open(&key, "vault", &aad(account, vault.version), &vault.sealed)?;
        let document = serde_json::from_slice(&plaintext).map_err(|_| Error::BadVault)?;
        Self::from_json(document).ok_or(Error::BadVault)
    }

    /// A setting as it is from `at` on, in milliseconds since 1970; `Null` takes it back. The mark that it was
    /// taken back stays for a while, so that a browser which still has it does not bring it back.
    pub fn set(&mut self, key: &str, value: Value, at: u64) {
        self.settings.insert(key.to_owned(), json!({"at": at, "value": value}));
        self.settings.retain(|_, entry| !entry["value"].is_null() || set_at(entry) + FORGOTTEN_AFTER > at);
    }

    /// Takes in what another browser of this account wrote meanwhile. Contacts are united; where the two pinned different
    /// identities of one, the one that somebody accepted in place of the other stands, else the earlier. Of each setting
    /// the later one stands. Returns the contacts whose pinned identity is now another one.
    pub fn merge(&mut self, theirs: Vault) -> Vec<Uuid> {
        let mut changed = Vec::new();
        for (account, their_pin) in theirs.contacts {
            match self.contacts.get_mut(&account) {
                None => {
                    self.contacts.insert(account, their_pin);
                }
                Some(our_pin) => {
                    if our_pin.merge(their_pin) {
                        changed.push(account);
                    }
                }
            }
        }
        let ours = std::mem::replace(&mut self.encryption_seeds, theirs.encryption_seeds);
        for seed in ours {
            if !self.encryption_seeds.contains(&seed) {
                self.encryption_seeds.push(seed);
            }
        }
        for (key, their_entry) in theirs.settings {
            match self.settings.get(&key) {
                Some(our_entry) if rank(our_entry) >= rank(&their_entry) => {}
                _ => {
                    self.settings.insert(key, their_entry);
                }
            }
        }
        self.unknown = theirs.unknown;
        changed
    }

    pub fn from_json(document: Value) -> Option<Self> {
        let Value::Object(mut unknown) = document else {
            return None;
        };
        let identity_seed = secret(unknown.remove("identity_seed")?)?;
        let Value::Array(seeds) = unknown.remove("encryption_seeds")? else {
            return None;
        };
        let encryption_seeds = seeds.into_iter().map(secret).collect::<Option<Vec<_>>>()?;
        if encryption_seeds.is_empty() {
            return None;
        }
        let Value::Object(contacts) = unknown.remove("contacts")? else {
            return None;
        };
        let contacts = contacts
            .into_iter()
            .map(|(account, pin)| Some((Uuid::try_parse(&account).ok()?, Pin::from_json(pin)?)))
            .collect::<Option<_>>()?;
        let Value::Object(settings) = unknown.remove("settings")? else {
            return None;
        };
        Some(Vault { identity_seed, encryption_seeds, contacts, settings, unknown })
    }

    pub fn to_json(&self) -> String {
        let mut document = self.unknown.clone();
        let seeds: Vec<_> = self.encryption_seeds.iter().map(|seed| URL_SAFE_NO_PAD.encode(**seed)).collect();
        let contacts: Map<_, _> =
            self.contacts.iter().map(|(id, pin)| (id.to_string(), pin.to_json())).collect();
        document.insert("identity_seed".into(), URL_SAFE_NO_PAD.encode(*self.identity_seed).into());
        document.insert("encryption_seeds".into(), json!(seeds));
        document.insert("contacts".into(), contacts.into());
        document.insert("settings".into(), self.settings.clone().into());
        let mut document = Value::Object(document);
        let text = document.to_string();
        // The document's own copies of the seeds must not outlive it.
        wipe(&mut document["identity_seed"]);
        document["encryption_seeds"].as_array_mut().into_iter().flatten().for_each(wipe);
        text
    }
}

pub(crate) fn seal(account_key: &Key, account: Uuid, version: u64, plaintext: &[u8]) -> Vec<u8> {
    boxes::seal(&key(account_key, account), "vault", &aad(account, version), plaintext)
}

pub(crate) fn key(account_key: &Key, account: Uuid) -> Key {
    derive(&**account_key, &enc("mk/vault", &[account.as_bytes()]))
}

pub(crate) fn aad(account: Uuid, version: u64) -> Vec<u8> {
    enc("vault-aad", &[account.as_bytes(), &version.to_be_bytes()])
}

/// How long the mark of a setting that was taken back is kept: longer than a page stays open without a line.
const FORGOTTEN_AFTER: u64 = 90 * 24 * 3_600_000;

fn set_at(entry: &Value) -> u64 {
    entry["at"].as_u64().unwrap_or(0)
}

/// Of two entries the higher one stands, in whichever order browsers meet them.
fn rank(entry: &Value) -> (u64, String) {
    (set_at(entry), entry.to_string())
}

fn secret(mut value: Value) -> Option<Key> {
    let key = bytes(&value).map(Key::new);
    wipe(&mut value);
    key
}

fn bytes(value: &Value) -> Option<[u8; 32]> {
    Zeroizing::new(URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?).as_slice().try_into().ok()
}

fn wipe(value: &mut Value) {
    if let Value::String(text) = value {
        text.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Uuid = Uuid::from_bytes([1; 16]);
    const CONTACT: Uuid = Uuid::from_bytes([2; 16]);

    fn with_pin(identity: u8, first_seen: u64) -> Vault {
        let mut vault = Vault::generate();
        vault.contacts.insert(CONTACT, Pin::new([identity; 32], first_seen));
        vault
    }

    #[test]
    fn what_a_newer_version_wrote_survives_a_rewrite() {
        let key = random_key();
        let mut document: Value = serde_json::from_str(&with_pin(3, 5).to_json()).unwrap();
        document["new_thing"] = json!({"a": [1, 2]});
        document["settings"]["theme"] = json!("dark");
        document["contacts"][CONTACT.to_string()]["nickname"] = json!("Bé");
        let sealed = seal(&key, ACCOUNT, 4, document.to_string().as_bytes());

        let vault = Vault::open(&key, ACCOUNT, &SealedVault { version: 4, sealed }).unwrap();
        let rewritten: Value = serde_json::from_str(&vault.to_json()).unwrap();
        assert_eq!(rewritten, document);
    }

    #[test]
    fn a_vault_of_another_version_or_account_does_not_open() {
        let key = random_key();
        let sealed = Vault::generate().seal(&key, ACCOUNT, 4);
        assert!(Vault::open(&key, ACCOUNT, &sealed).is_ok());
        assert_eq!(Vault::open(&key, CONTACT, &sealed).err(), Some(Error::NotAuthentic));
        let passed_off = SealedVault { version: 5, ..sealed };
        assert_eq!(Vault::open(&key, ACCOUNT, &passed_off).err(), Some(Error::NotAuthentic));
    }

    #[test]
    fn a_vault_with_a_missing_or_wrong_field_is_refused() {
        let whole: Value = serde_json::from_str(&with_pin(3, 5).to_json()).unwrap();
        assert!(Vault::from_json(whole.clone()).is_some());
        for field in ["identity_seed", "encryption_seeds", "contacts", "settings"] {
            let mut document = whole.clone();
            document.as_object_mut().unwrap().remove(field);
            assert!(Vault::from_json(document).is_none(), "{field}");
            for wrong in [json!(null), json!("short"), json!([]), json!(["short"]), json!({"x": 1}), json!(1)]
            {
                let mut document = whole.clone();
                document[field] = wrong.clone();
                let allowed = field == "settings" && wrong.is_object();
                assert_eq!(Vault::from_json(document).is_some(), allowed, "{field} {wrong}");
            }
        }
    }

    #[test]
    fn a_merge_unites_pins_and_the_earliest_stands() {
        let newcomer = Uuid::from_bytes([3; 16]);
        let mut ours = with_pin(3, 5);
        ours.contacts.insert(newcomer, Pin::new([9; 32], 9));
        let mut theirs = with_pin(3, 4);
        theirs.contacts.get_mut(&CONTACT).unwrap().mark(true, 6);
        assert!(ours.merge(theirs).is_empty());
        assert_eq!(ours.contacts[&CONTACT].first_seen, 4);
        assert_eq!(ours.contacts[&CONTACT].verified_at, Some(6));
        assert!(ours.contacts.contains_key(&newcomer));

        assert!(ours.merge(with_pin(7, 8)).is_empty(), "a later pin changes nothing");
        assert_eq!(ours.contacts[&CONTACT].identity, [3; 32]);
        assert_eq!(ours.merge(with_pin(7, 2)), [CONTACT], "an earlier one is told");
        assert_eq!(ours.contacts[&CONTACT].identity, [7; 32]);
    }

    fn pin_of(vault: &mut Vault) -> &mut Pin {
        vault.contacts.get_mut(&CONTACT).unwrap()
    }

    /// As two browsers with this pin each change it, and one meets the vault of the other, whichever that is.
    fn merged(ours: impl Fn(&mut Pin), theirs: impl Fn(&mut Pin)) -> Pin {
        let changed = |change: &dyn Fn(&mut Pin)| {
            let mut vault = with_pin(3, 5);
            change(pin_of(&mut vault));
            vault
        };
        let pins = [(&ours as &dyn Fn(&mut Pin), &theirs as &dyn Fn(&mut Pin)), (&theirs, &ours)].map(
            |(first, second)| {
                let (mut vault, other) = (changed(first), changed(second));
                let before = vault.contacts[&CONTACT].identity;
                let told = vault.merge(other);
                let pin = vault.contacts.remove(&CONTACT).unwrap();
                assert_eq!(told.is_empty(), pin.identity == before, "whoever gets another identity is told");
                pin
            },
        );
        assert_eq!(pins[0], pins[1], "whoever merges");
        pins[0].clone()
    }

    #[test]
    fn the_later_mark_of_a_number_stands_be_it_that_it_was_taken_back() {
        let verify = |at| move |pin: &mut Pin| pin.mark(true, at);
        let unverify = |at| move |pin: &mut Pin| pin.mark(false, at);
        assert_eq!(merged(verify(10), |_| ()).verified_at, Some(10));
        assert_eq!(merged(verify(10), unverify(11)).verified_at, None);
        assert_eq!(merged(verify(12), unverify(11)).verified_at, Some(12));
        assert_eq!(merged(verify(10), unverify(10)).verified_at, None, "the cautious one");
        let taken_back = |pin: &mut Pin| {
            pin.mark(true, 10);
            pin.mark(false, 20);
        };
        assert_eq!(merged(taken_back, verify(10)).verified_at, None);
    }

    #[test]
    fn an_identity_that_was_accepted_takes_the_place_of_the_one_it_replaces() {
        let accepted = merged(|pin| pin.accept([7; 32], 20), |pin| pin.mark(true, 30));
        assert_eq!((accepted.identity, accepted.first_seen), ([7; 32], 20));
        assert_eq!(accepted.verified_at, None, "its own number was never compared");
        let both = merged(|pin| pin.accept([7; 32], 20), |pin| pin.accept([7; 32], 25));
        assert_eq!((both.identity, both.accepted_at()), ([7; 32], 25));
        let back = |pin: &mut Pin| {
            pin.accept([7; 32], 20);
            pin.accept([3; 32], 30);
        };
        assert_eq!(merged(back, |pin| pin.accept([7; 32], 20)).identity, [3; 32]);
        assert_eq!(
            merged(back, |pin| pin.mark(true, 10)).verified_at,
            None,
            "what was compared before is over"
        );
    }

    #[test]
    fn a_merge_accepts_no_identity_that_nobody_accepted() {
        // Another one was first seen, later: no acceptance names ours.
        let mut ours = with_pin(3, 5);
        assert!(ours.merge(with_pin(7, 8)).is_empty());
        // In the place of another one than ours.
        let mut theirs = with_pin(9, 6);
        pin_of(&mut theirs).accept([7; 32], 8);
        assert!(ours.merge(theirs).is_empty());
        assert_eq!(ours.contacts[&CONTACT].identity, [3; 32]);
        // Two browsers accepted two: the earlier stands, and the other is asked again.
        let split = merged(|pin| pin.accept([7; 32], 20), |pin| pin.accept([8; 32], 25));
        assert_eq!(split.identity, [7; 32]);
    }

    #[test]
    fn marks_and_acceptances_are_written_and_read_and_a_pin_without_is_as_before() {
        let plain = with_pin(3, 5).contacts[&CONTACT].to_json();
        assert_eq!(plain.as_object().unwrap().len(), 3, "{plain}");
        let mut pin = Pin::from_json(plain).unwrap();
        for change in [
            |pin: &mut Pin| pin.mark(true, 10),
            |pin: &mut Pin| pin.mark(false, 20),
            |pin: &mut Pin| pin.accept([7; 32], 30),
        ] {
            change(&mut pin);
            assert_eq!(Pin::from_json(pin.to_json()), Some(pin.clone()));
        }
        for wrong in [json!({"replaced": 1}), json!({"replaced": [{"until": 1}]}), json!({"marked_at": "1"})]
        {
            let mut json = pin.to_json();
            json.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert_eq!(Pin::from_json(json), None, "{wrong}");
        }
    }

    #[test]
    fn of_each_setting_the_later_one_stands_whoever_merges() {
        let set = |all: &[(&str, Value, u64)]| {
            let mut vault = with_pin(3, 5);
            all.iter().for_each(|(key, value, at)| vault.set(key, value.clone(), *at));
            vault
        };
        let ours =
            || set(&[("a", json!(1), 10), ("b", json!(1), 30), ("ours", json!(1), 10), ("tie", json!(1), 9)]);
        let theirs = || {
            set(&[("a", json!(2), 20), ("b", json!(2), 20), ("gone", json!(null), 20), ("tie", json!(2), 9)])
        };
        let (mut one, mut other) = (ours(), theirs());
        one.merge(theirs());
        other.merge(ours());
        assert_eq!(one.settings, other.settings);
        let value = |key: &str| one.settings[key]["value"].clone();
        assert_eq!(
            ["a", "b", "ours", "gone", "tie"].map(value),
            [json!(2), json!(1), json!(1), json!(null), json!(2)]
        );
    }

    #[test]
    fn a_setting_that_was_taken_back_is_forgotten_after_a_while() {
        let mut vault = with_pin(3, 5);
        vault.set("gone", json!(1), 10);
        vault.set("gone", json!(null), 20);
        vault.set("other", json!(1), 20 + FORGOTTEN_AFTER - 1);
        assert!(vault.settings.contains_key("gone"));
        vault.set("other", json!(1), 20 + FORGOTTEN_AFTER);
        assert!(!vault.settings.contains_key("gone"));
        assert!(vault.settings.contains_key("other"));
    }
}
