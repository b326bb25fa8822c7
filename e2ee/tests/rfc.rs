//! The standards' own test vectors, run through the versions of the libraries that are built in here.

use std::collections::{BTreeMap, VecDeque};

use e2ee::known_answers as inside;
use hpke::{
    Deserializable, OpModeR, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256, setup_receiver,
};
use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest, CredentialResponse,
    Identifiers, RegistrationRequest, RegistrationResponse, RegistrationUpload, Ristretto255, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh, ksf::Identity,
};
use rand::{CryptoRng, RngCore};
use sha2::Sha512;

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

#[test]
fn ed25519_signs_and_verifies_as_in_rfc_8032() {
    // Section 7.1: TEST 1, TEST 2, TEST 3, TEST SHA(abc).
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let (seed, public) = (array(seed), array(public));
        assert_eq!(inside::identity_public(&seed), public);
        let signed = inside::sign(&seed, &hex(message));
        assert_eq!(signed.signature, hex(signature));
        assert!(inside::is_signed_by(&signed, &public));
    }
}

#[test]
fn a_key_of_low_order_signs_nothing() {
    // The neutral element as the key, and as R with S = 0: the equation of RFC 8032 holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signed = e2ee::Signed { body: b"anything".to_vec(), signature: [neutral, [0; 32]].concat() };
    let lax = ed25519_dalek::VerifyingKey::from_bytes(&neutral).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signed.signature).unwrap();
    assert!(
        ed25519_dalek::Verifier::verify(&lax, &signed.body, &signature).is_ok(),
        "a lax verifier is fooled"
    );
    assert!(!inside::is_signed_by(&signed, &neutral));
}

#[test]
fn hpke_opens_as_in_rfc_9180() {
    // Appendix A.2.1: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305. The same key
    // schedule and AEAD as ours; only the KEM differs, and X-Wing has no vectors in the RFC.
    type Kem = X25519HkdfSha256;
    let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&hex(
        "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
    ))
    .unwrap();
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&hex(
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
    ))
    .unwrap();
    let info = hex("4f6465206f6e2061204772656369616e2055726e");
    let mut receiver =
        setup_receiver::<ChaCha20Poly1305, HkdfSha256, Kem>(&OpModeR::Base, &private, &enc, &info).unwrap();
    let text = hex("4265617574792069732074727574682c20747275746820626561757479");
    for (aad, ct) in [
        (
            "436f756e742d30",
            "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28",
        ),
        (
            "436f756e742d31",
            "6b53c051e4199c518de79594e1c4ab18b96f081549d45ce015be002090bb119e85285337cc95ba5f59992dc98c",
        ),
    ] {
        assert_eq!(receiver.open(&hex(ct), &hex(aad)).unwrap(), text);
    }
    let mut exported = [0; 32];
    receiver.export(&hex("54657374436f6e74657874"), &mut exported).unwrap();
    assert_eq!(exported, array("5acb09211139c43b3090489a9da433e8a30ee7188ba8b0a9a1ccf0c229283e53"));
}

#[test]
fn a_password_is_stretched_as_the_reference_does_it() {
    // By argon2-cffi, which wraps the reference implementation: Argon2id v0x13, 65,536 KiB, t = 3, p = 1,
    // zero salt, over the bytes 0 to 63.
    let input = std::array::from_fn(|index| u8::try_from(index).unwrap());
    assert_eq!(
        inside::stretch(input),
        array(
            "97076ac1d2e29b8f16f2af338d9f0e63a0d078c2b3cce12024bc7ecdd3cbc2d4b4dcb53de561c257004dc2d756cd8abcac4efc7b764b385fd8f624d7aa447a22"
        )
    );
}

/// Our suite but for the key stretching, which the RFC's vectors leave out.
struct Unstretched;

impl CipherSuite for Unstretched {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Identity;
}

#[test]
fn opaque_runs_as_in_rfc_9807() {
    let vectors = Vectors::read(include_str!("rfc/rfc9807.txt"));
    assert_eq!(vectors.len(), 3);
    run_real(&vectors[0]);
    run_real(&vectors[1]);
    run_fake(&vectors[2]);
}

fn run_real(v: &Vectors) {
    let setup = v.server_setup("server_public_key");
    let credential = v.bytes("credential_identifier");
    let password = v.bytes("password");

    let mut rng = Script::of([v.scalar("blind_registration")]);
    let client = ClientRegistration::<Unstretched>::start(&mut rng, &password).unwrap();
    assert_eq!(client.message.serialize().to_vec(), v.bytes("registration_request"));
    let request = RegistrationRequest::deserialize(&v.bytes("registration_request")).unwrap();
    let response = ServerRegistration::<Unstretched>::start(&setup, request, &credential).unwrap().message;
    assert_eq!(response.serialize().to_vec(), v.bytes("registration_response"));
    let response = RegistrationResponse::deserialize(&v.bytes("registration_response")).unwrap();
    let mut rng = Script::of([v.bytes("envelope_nonce")]);
    let parameters = ClientRegistrationFinishParameters::new(v.identifiers(), None);
    let finish = client.state.finish(&mut rng, &password, response, parameters).unwrap();
    assert_eq!(finish.message.serialize().to_vec(), v.bytes("registration_upload"));
    assert_eq!(finish.export_key.to_vec(), v.bytes("export_key"));

    let mut rng =
        Script::of([v.scalar("blind_login"), v.bytes("client_keyshare_seed"), v.bytes("client_nonce")]);
    let client = ClientLogin::<Unstretched>::start(&mut rng, &password).unwrap();
    assert_eq!(client.message.serialize().to_vec(), v.bytes("KE1"));
    let record = RegistrationUpload::deserialize(&v.bytes("registration_upload")).unwrap();
    let server = v.server_login(&setup, Some(ServerRegistration::finish(record)));
    assert_eq!(server.0, v.bytes("KE2"));
    let context = v.bytes("context");
    let parameters = ClientLoginFinishParameters::new(Some(&context), v.identifiers(), None);
    let ke2 = CredentialResponse::deserialize(&server.0).unwrap();
    let finish = client.state.finish(&mut Script::of([]), &password, ke2, parameters).unwrap();
    assert_eq!(finish.message.serialize().to_vec(), v.bytes("KE3"));
    assert_eq!(finish.export_key.to_vec(), v.bytes("export_key"));
    assert_eq!(finish.session_key.to_vec(), v.bytes("session_key"));
    let ke3 = CredentialFinalization::deserialize(&v.bytes("KE3")).unwrap();
    let parameters = ServerLoginParameters { context: Some(&context), identifiers: v.identifiers() };
    assert_eq!(server.1.finish(ke3, parameters).unwrap().session_key.to_vec(), v.bytes("session_key"));
}

/// The answer for somebody who is not registered.
fn run_fake(v: &Vectors) {
    let setup = v.server_setup("client_public_key");
    let (ke2, _) = v.server_login(&setup, None);
    assert_eq!(ke2, v.bytes("KE2"));
}

struct Vectors(BTreeMap<String, String>);

impl Vectors {
    fn read(text: &str) -> Vec<Self> {
        let mut vectors: Vec<Self> = Vec::new();
        let mut name = String::new();
        for line in text.lines().skip_while(|line| !line.starts_with('#')) {
            if line.starts_with('#') {
                vectors.push(Vectors(BTreeMap::new()));
            } else if let Some((field, value)) = line.split_once(": ") {
                name = field.to_owned();
                vectors.last_mut().unwrap().0.insert(name.clone(), value.to_owned());
            } else {
                vectors.last_mut().unwrap().0.get_mut(&name).unwrap().push_str(line.trim());
            }
        }
        vectors
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        hex(&self.0[name])
    }

    /// A scalar as the library draws it: 64 bytes, reduced modulo the group's order.
    fn scalar(&self, name: &str) -> Vec<u8> {
        [self.bytes(name), vec![0; 32]].concat()
    }

    fn identifiers(&self) -> Identifiers<'static> {
        let of = |name: &str| self.0.get(name).map(|text| &*Vec::leak(hex(text)));
        Identifiers { client: of("client_identity"), server: of("server_identity") }
    }

    /// `nobody`: the public key that stands for those who are not registered.
    fn server_setup(&self, nobody: &str) -> ServerSetup<Unstretched> {
        let parts = [self.bytes("oprf_seed"), self.bytes("server_private_key"), self.bytes(nobody)];
        let setup = ServerSetup::deserialize(&parts.concat()).unwrap();
        assert_eq!(setup.keypair().public().serialize().to_vec(), self.bytes("server_public_key"));
        setup
    }

    fn server_login(
        &self,
        setup: &ServerSetup<Unstretched>,
        record: Option<ServerRegistration<Unstretched>>,
    ) -> (Vec<u8>, ServerLogin<Unstretched>) {
        // The masking key of nobody is drawn in any case, so that the time taken tells nothing.
        let nobody = if record.is_none() { self.bytes("masking_key") } else { vec![0; 64] };
        let rest = ["masking_nonce", "server_keyshare_seed", "server_nonce"].map(|name| self.bytes(name));
        let mut rng = Script::of(std::iter::once(nobody).chain(rest));
        let request = CredentialRequest::deserialize(&self.bytes("KE1")).unwrap();
        let context = self.bytes("context");
        let parameters = ServerLoginParameters { context: Some(&context), identifiers: self.identifiers() };
        let credential = self.bytes("credential_identifier");
        let start = ServerLogin::start(&mut rng, setup, record, request, &credential, parameters).unwrap();
        (start.message.serialize().to_vec(), start.state)
    }
}

/// Randomness that was written down beforehand.
struct Script(VecDeque<Vec<u8>>);

impl Script {
    fn of(draws: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Script(draws.into_iter().collect())
    }
}

impl RngCore for Script {
    fn next_u32(&mut self) -> u32 {
        unreachable!()
    }

    fn next_u64(&mut self) -> u64 {
        unreachable!()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.pop_front().expect("more randomness is drawn than the vector has"));
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Script {}
