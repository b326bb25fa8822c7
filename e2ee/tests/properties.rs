//! What must hold for all inputs. Each property starts from something that works, and shows that it does.

use e2ee::{
    Context, Envelope, Error, Grant, KeyBundle, Kind, RecoveryCode, Signed, SlotKind, conversation_id, enc,
    known_answers as inside, padded_length,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;
use uuid::Uuid;

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..longest)
}

fn id() -> impl Strategy<Value = Uuid> {
    any::<[u8; 16]>().prop_map(Uuid::from_bytes)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Message), Just(Kind::Edit), Just(Kind::Reaction)]
}

fn context() -> impl Strategy<Value = Context> {
    (id(), id(), id(), kind(), proptest::option::of(id())).prop_map(
        |(conversation, sender, id, kind, target)| Context { conversation, sender, id, kind, target },
    )
}

fn with_flipped_bit(bytes: &[u8], at: Index) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    let bit = at.index(bytes.len() * 8);
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

fn seal(key: [u8; 32], epoch: Uuid, context: &Context, text: &[u8]) -> Vec<u8> {
    let sender_key = inside::sender_key(key, epoch, context.conversation, context.sender);
    let aad = inside::message_aad(epoch, context);
    let sealed = inside::seal_random_box(&sender_key, "message", &aad, &inside::pad(text));
    inside::envelope(epoch, context.id, &sealed)
}

/// The grant and the key bundle of the known answers: valid ones to be damaged.
fn known() -> (Signed, Signed, [u8; 32], Uuid, String) {
    let all: Value = serde_json::from_str(include_str!("vectors/v1.json")).unwrap();
    let hex = |pointer: &str| hex::decode(all.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
    let signed = |name: &str| Signed {
        body: hex(&format!("/{name}/body")),
        signature: hex(&format!("/{name}/signature")),
    };
    let account = Uuid::from_slice(&hex("/parties/alice/account")).unwrap();
    let identity = hex("/parties/alice/identity_public").try_into().unwrap();
    (signed("epoch"), signed("key_bundle"), identity, account, "user_alice".to_owned())
}

proptest! {
    #[test]
    fn different_lists_are_never_encoded_alike(
        one in ("[a-z/-]{0,12}", vec(bytes(6), 0..5)),
        other in ("[a-z/-]{0,12}", vec(bytes(6), 0..5)),
        cut in any::<Index>(),
    ) {
        let encode = |(label, fields): &(String, Vec<Vec<u8>>)| {
            enc(label, &fields.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        prop_assert_eq!(encode(&one) == encode(&other), one == other);
        // The nearest neighbour: the same bytes in the same order, divided at another place.
        let joined = one.1.concat();
        let (head, tail) = joined.split_at(cut.index(joined.len() + 1));
        let divided = (one.0.clone(), vec![head.to_vec(), tail.to_vec()]);
        prop_assert_eq!(encode(&one) == encode(&divided), one == divided);
    }

    #[test]
    fn a_box_opens_only_as_it_was_sealed(
        key in any::<[u8; 32]>(), aad in bytes(40), text in bytes(200), at in any::<Index>(),
        bit in any::<Index>(), label in "[a-z]{1,8}", other_label in "[a-z]{1,8}",
    ) {
        let sealed = inside::seal_random_box(&key, &label, &aad, &text);
        prop_assert_eq!(inside::open_box(&key, &label, &aad, &sealed), Ok(text));
        prop_assert!(inside::open_box(&key, &label, &aad, &with_flipped_bit(&sealed, at)).is_err());
        prop_assert!(inside::open_box(&key, &label, &aad, &sealed[..at.index(sealed.len())]).is_err());
        let other_key = with_flipped_bit(&key, bit).try_into().unwrap();
        prop_assert!(inside::open_box(&other_key, &label, &aad, &sealed).is_err());
        prop_assert!(inside::open_box(&key, &label, &[&aad[..], &[0]].concat(), &sealed).is_err());
        if label != other_label {
            prop_assert!(inside::open_box(&key, &other_label, &aad, &sealed).is_err());
        }
    }

    #[test]
    fn a_message_opens_only_where_and_as_it_was_sealed(
        key in any::<[u8; 32]>(), epoch in id(), real in context(), other in context(),
        text in bytes(300), at in any::<Index>(), other_key in any::<[u8; 32]>(),
    ) {
        let envelope = seal(key, epoch, &real, &text);
        prop_assert_eq!(inside::open_envelope(key, &real, &envelope), Ok(text));
        prop_assert!(inside::open_envelope(key, &real, &with_flipped_bit(&envelope, at)).is_err());
        prop_assert!(inside::open_envelope(key, &real, &envelope[..at.index(envelope.len())]).is_err());
        prop_assert!(inside::open_envelope(key, &real, &[&envelope[..], &[0]].concat()).is_err());
        prop_assert!(inside::open_envelope(other_key, &real, &envelope).is_err());
        let swaps = [
            Context { conversation: other.conversation, ..real },
            Context { sender: other.sender, ..real },
            Context { id: other.id, ..real },
            Context { kind: other.kind, ..real },
            Context { target: other.target, ..real },
            Context { conversation: real.sender, sender: real.conversation, ..real },
            Context { target: Some(real.id), ..real },
        ];
        for swapped in swaps.into_iter().filter(|swapped| *swapped != real) {
            prop_assert_eq!(inside::open_envelope(key, &swapped, &envelope), Err(Error::NotAuthentic));
        }
    }

    #[test]
    fn a_slot_opens_only_for_its_kind_account_and_id(
        account in id(), slot in id(), other in id(), secret in bytes(64), key in any::<[u8; 32]>(),
        at in any::<Index>(),
    ) {
        let kinds = [SlotKind::Password, SlotKind::Recovery, SlotKind::Passkey];
        for kind in kinds {
            let kek = inside::slot_kek(kind, account, slot, &secret);
            let sealed = inside::seal_random_box(&kek, "slot", &inside::slot_aad(kind, account, slot), &key);
            prop_assert_eq!(inside::open_slot(kind, account, slot, &secret, &sealed), Ok(key));
            for wrong in kinds.into_iter().filter(|wrong| *wrong != kind) {
                prop_assert!(inside::open_slot(wrong, account, slot, &secret, &sealed).is_err());
            }
            prop_assert!(inside::open_slot(kind, other, slot, &secret, &sealed).is_err());
            prop_assert!(inside::open_slot(kind, account, other, &secret, &sealed).is_err());
            prop_assert!(inside::open_slot(kind, account, slot, b"other", &sealed).is_err());
            prop_assert!(
                inside::open_slot(kind, account, slot, &secret, &with_flipped_bit(&sealed, at)).is_err()
            );
        }
    }

    #[test]
    fn what_is_padded_is_unpadded_and_gives_little_away(text in bytes(5000)) {
        let padded = inside::pad(&text);
        prop_assert_eq!(padded.len(), padded_length(text.len()));
        prop_assert!(padded.len() > text.len());
        prop_assert_eq!(padded.len() % 64, 0);
        prop_assert!(padded.len() <= 1024 || (padded.len() - text.len()) * 8 <= text.len() + 8);
        prop_assert_eq!(inside::unpad(&padded), Some(text));
    }

    #[test]
    fn only_what_pad_gives_is_unpadded(padded in bytes(200), at in any::<Index>()) {
        if let Some(text) = inside::unpad(&padded) {
            prop_assert_eq!(inside::pad(&text), padded.clone());
        }
        let real = inside::pad(&padded);
        prop_assert_eq!(inside::unpad(&[&real[..], &[0]].concat()), None);
        prop_assert_eq!(inside::unpad(&real[..at.index(real.len())]), None);
    }

    #[test]
    fn no_parser_panics_whatever_it_gets(noise in bytes(400), text in ".{0,60}", account in id()) {
        let signature = vec![1; 64];
        for label in ["epoch-grant", "key-bundle"] {
            for body in [noise.clone(), [enc(label, &[]), noise.clone()].concat()] {
                let signed = Signed { body, signature: signature.clone() };
                prop_assert!(Grant::parse(&signed).is_err());
                prop_assert!(KeyBundle::open(&signed, account, "alice").is_err());
            }
        }
        let _ = Envelope::parse(&noise);
        let _ = inside::unpad(&noise);
        let _ = RecoveryCode::parse(&text);
        prop_assert!(inside::open_box(&[0; 32], "slot", &noise, &noise).is_err());
    }

    #[test]
    fn a_recovery_code_reads_back(bits in any::<[u8; 16]>()) {
        let code = inside::recovery_code(bits);
        prop_assert_eq!(RecoveryCode::parse(&code.to_string()), Ok(code));
    }

    #[test]
    fn a_conversation_is_the_same_from_both_sides(one in id(), other in id(), third in id()) {
        prop_assert_eq!(conversation_id(one, other), conversation_id(other, one));
        if third != other {
            prop_assert_ne!(conversation_id(one, other), conversation_id(one, third));
        }
    }
}

proptest! {
    // Each case verifies signatures; fewer will do.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_damaged_grant_or_bundle_is_refused(at in any::<Index>(), cut in any::<Index>(), more in bytes(8)) {
        let (grant, bundle, identity, account, handle) = known();
        let accepts_grant = |signed: &Signed| Grant::parse(signed).and_then(|grant| grant.verify(&identity)).is_ok();
        let accepts_bundle = |signed: &Signed| KeyBundle::open(signed, account, &handle).is_ok();
        prop_assert!(accepts_grant(&grant));
        prop_assert!(accepts_bundle(&bundle));
        let refused = |signed: &Signed, accepts: &dyn Fn(&Signed) -> bool| {
            let damaged = [
                Signed { body: with_flipped_bit(&signed.body, at), ..signed.clone() },
                Signed { signature: with_flipped_bit(&signed.signature, at), ..signed.clone() },
                Signed { body: signed.body[..cut.index(signed.body.len())].to_vec(), ..signed.clone() },
                Signed { signature: signed.signature[..cut.index(64)].to_vec(), ..signed.clone() },
                Signed { body: [&signed.body[..], &[0], &more].concat(), ..signed.clone() },
                Signed { signature: [&signed.signature[..], &[0], &more].concat(), ..signed.clone() },
            ];
            damaged.iter().all(|damaged| !accepts(damaged))
        };
        prop_assert!(refused(&grant, &accepts_grant));
        prop_assert!(refused(&bundle, &accepts_bundle));
    }

    #[test]
    fn an_envelopes_head_is_read_from_any_whole_envelope_and_from_no_other_length(
        context in context(), epoch in id(), text in bytes(1500), cut in any::<Index>(),
    ) {
        let envelope = seal([1; 32], epoch, &context, &text);
        let head = Envelope::parse(&envelope).unwrap();
        prop_assert_eq!((head.epoch, head.id), (epoch, context.id));
        let overhead = envelope.len() - padded_length(text.len());
        let cut = cut.index(envelope.len());
        let whole = cut > overhead && (cut - overhead).is_multiple_of(64) && padded_length(cut - overhead - 1) == cut - overhead;
        prop_assert_eq!(Envelope::parse(&envelope[..cut]).is_ok(), whole);
        let mut newer = envelope.clone();
        newer[0] = 2;
        prop_assert_eq!(Envelope::parse(&newer).err(), Some(Error::UnsupportedVersion));
    }
}
