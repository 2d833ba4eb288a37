//! Both sides of a connection in memory, and what is refused.

use rcgen::{CertificateParams, KeyPair};
use rustls::SignatureScheme;

use super::*;

/// PEM of a certificate for these names, with its key, that its key has signed.
fn pem(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn pair(file: &str) -> Pair {
    Pair { certificate: file.to_owned(), key: None }
}

fn keyring(text: &str, minimum: Minimum) -> Keyring {
    let certificates = Certificates::read(&[pair("a")], &|_| Ok(text.to_owned())).unwrap();
    Keyring::new(vec![pair("a")], minimum, certificates).unwrap()
}

fn mail_keyring() -> Keyring {
    keyring(&pem(&["mail.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256), Minimum::Tls12)
}

fn hop_spec() -> HopSpec {
    HopSpec {
        level: Level::Required,
        verify: None,
        sni: Some(String::from("mail.example.org")),
        authority: Authority::Host,
        own: None,
        minimum: Minimum::Tls12,
    }
}

fn hop(spec: HopSpec, authority: &str) -> Hop {
    Hop::read(spec, &|_| Ok(authority.to_owned())).unwrap()
}

const SERVER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A client and a server, what one has sealed not yet with the other.
struct Both {
    client: Records,
    server: Records,
}

impl Both {
    fn new(hop: &Hop, keys: &Keyring) -> Self {
        Self { client: hop.connection(SERVER).unwrap(), server: keys.connection().unwrap().0.into() }
    }

    /// Hands on what is sealed, in pieces, until nothing more comes.
    fn settle(&mut self, piece_bytes: usize) -> Result<(), rustls::Error> {
        self.client.advance()?;
        while !self.client.sealed().is_empty() || !self.server.sealed().is_empty() {
            hand_on(&mut self.client, &mut self.server, piece_bytes)?;
            hand_on(&mut self.server, &mut self.client, piece_bytes)?;
        }
        Ok(())
    }
}

fn hand_on(from: &mut Records, to: &mut Records, piece_bytes: usize) -> Result<(), rustls::Error> {
    let sealed = std::mem::take(from.sealed());
    sealed.chunks(piece_bytes).try_for_each(|piece| to.take(piece.to_vec()).map(drop))
}

#[test]
fn what_is_sealed_is_opened_in_any_pieces() {
    let (hop, keys) = (hop(hop_spec(), ""), mail_keyring());
    let large: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for piece_bytes in [1, 7, 1000, 16 << 10, usize::MAX] {
        let mut both = Both::new(&hop, &keys);
        both.settle(piece_bytes).unwrap();
        assert!(!both.client.is_handshaking() && !both.server.is_handshaking());
        for content in [&b"EHLO a\r\n"[..], &large, b"", b"QUIT\r\n"] {
            both.client.seal(content).unwrap();
            both.server.seal(content).unwrap();
            both.settle(piece_bytes).unwrap();
            assert_eq!(both.server.opened(), content);
            assert_eq!(both.client.opened(), content);
            both.server.opened().clear();
            both.client.opened().clear();
        }
        assert!(both.server.received_bytes() == 0 && both.client.received_bytes() == 0, "all is used up");
        both.client.close();
        both.settle(piece_bytes).unwrap();
        assert!(both.server.has_ended() && !both.client.has_ended());
        both.server.seal(b"221 Bye\r\n").expect("the other direction is open");
    }
}

#[test]
fn sessions_are_taken_up_again_by_another_keyring() {
    let hop = hop(hop_spec(), "");
    let kinds: Vec<bool> = (0..2)
        .map(|_| {
            let mut both = Both::new(&hop, &mail_keyring());
            both.settle(usize::MAX).unwrap();
            Agreed::of(both.server.state(), None).resumed
        })
        .collect();
    assert_eq!(kinds, [false, true]);
}

#[test]
fn what_was_agreed_on_has_the_names_that_others_use() {
    let mut both = Both::new(&hop(hop_spec(), ""), &mail_keyring());
    both.settle(usize::MAX).unwrap();
    let agreed = Agreed::of(both.server.state(), None);
    assert_eq!(
        (&*agreed.version, agreed.cipher.starts_with("TLS_AES_256_GCM")),
        ("TLSv1.3", true),
        "{agreed:?}"
    );
}

#[test]
fn only_those_whom_the_authority_has_signed_for_the_name_are_taken() {
    let text = pem(&["mail.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let keys = keyring(&text, Minimum::Tls12);
    let verified = |name: &str, authority: &str| {
        let authority_file = Authority::File(String::from("ca.pem"));
        let spec =
            HopSpec { verify: Some(name.to_owned()), sni: None, authority: authority_file, ..hop_spec() };
        let mut both = Both::new(&hop(spec, authority), &keys);
        let done = both.settle(usize::MAX);
        if done.is_err() {
            assert!(!both.client.sealed().is_empty(), "an alert tells the server");
            assert!(both.client.seal(b"x").is_err() && both.client.take(vec![0; 100]).is_err());
        }
        done.map_err(|error| error.to_string())
    };
    assert_eq!(verified("mail.example.org", &text), Ok(()));
    assert!(verified("mx.example.org", &text).unwrap_err().contains("not valid for name"));
    let other = pem(&["mail.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256);
    assert!(verified("mail.example.org", &other).unwrap_err().contains("invalid peer certificate"));
}

#[test]
fn a_minimum_is_kept_by_both_sides() {
    let text = pem(&["mail.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let strict = keyring(&text, Minimum::Tls13);
    let mut both = Both::new(&hop(HopSpec { minimum: Minimum::Tls13, ..hop_spec() }, ""), &strict);
    both.settle(usize::MAX).unwrap();
    assert_eq!(both.server.state().protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

/// Bytes that a peer spoils anywhere in its part of a handshake are an error or change nothing, and never a panic: after an error
/// rustls looked for bytes that were gone.
#[test]
fn a_spoiled_handshake_is_an_error() {
    let (hop, keys) = (hop(hop_spec(), ""), mail_keyring());
    for at in 0..900 {
        for flipped in [1, 0x80, 0xff] {
            let mut both = Both::new(&hop, &keys);
            both.client.advance().unwrap();
            let mut hello = std::mem::take(both.client.sealed());
            let in_hello = at < hello.len();
            if in_hello {
                hello[at] ^= flipped;
            }
            let taken = both.server.take(hello);
            let mut answer = std::mem::take(both.server.sealed());
            if !in_hello && at < answer.len() {
                answer[at] ^= flipped;
            }
            let done = taken
                .and_then(|_| both.client.take(answer))
                .and_then(|_| both.settle(usize::MAX).map(|()| Vec::<u8>::new()));
            if done.is_err() {
                assert!(both.client.seal(b"x").is_err() || both.server.seal(b"x").is_err());
            }
        }
    }
}

#[test]
fn the_first_certificate_that_fits_answers_to_a_name() {
    use SignatureScheme::{ECDSA_NISTP256_SHA256 as ECDSA, ED25519};
    let files = [
        ("default", pem(&["mx.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256)),
        ("edwards", pem(&["mail.example.org"], &rcgen::PKCS_ED25519)),
        ("ecdsa", pem(&["mail.example.org", "*.mail.example.org"], &rcgen::PKCS_ECDSA_P256_SHA256)),
    ];
    let read = |file: &str| Ok(files.iter().find(|(name, _)| *name == file).unwrap().1.clone());
    let pairs: Vec<Pair> = files.iter().map(|(name, _)| pair(name)).collect();
    let certificates = Certificates::read(&pairs, &read).unwrap();
    let choose = |name, offered: &[SignatureScheme]| certificates.choose(name, offered).unwrap().file.clone();
    assert_eq!(choose(None, &[ECDSA]), "default");
    assert_eq!(choose(None, &[ED25519]), "edwards");
    assert_eq!(choose(Some("mail.example.org"), &[ECDSA, ED25519]), "edwards");
    assert_eq!(choose(Some("mail.example.org"), &[ECDSA]), "ecdsa");
    assert_eq!(choose(Some("a.mail.example.org"), &[ECDSA]), "ecdsa");
    assert_eq!(choose(Some("a.b.mail.example.org"), &[ECDSA]), "default");
    assert_eq!(choose(Some("elsewhere.example.net"), &[]), "default");
}
