use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, raw_refusal, refusal, refused};

fn picture(format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(600, 400, |x, _| if x < 300 { Rgb([200, 0, 0]) } else { Rgb([0, 0, 200]) });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn upload(app: &TestApp, token: &str, bytes: Vec<u8>) -> reqwest::Response {
    app.request(Method::PUT, "/api/profile/avatar").bearer_auth(token).body(bytes).send().await.unwrap()
}

#[tokio::test]
async fn one_changes_what_one_names_and_keeps_the_rest() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let change = json!({"display_name": "  Alice M. ", "status": "In the garden", "bio": "One\nTwo"});
    let (_, me) = alice.raw("PATCH", "/profile", Some(&change)).await.unwrap();
    assert_eq!((&me["display_name"], &me["bio"]), (&json!("Alice M."), &json!("One\nTwo")));
    let (_, me) = alice.raw("PATCH", "/profile", Some(&json!({"status": ""}))).await.unwrap();
    assert_eq!(
        (&me["display_name"], &me["status"], &me["bio"]),
        (&json!("Alice M."), &json!(""), &json!("One\nTwo"))
    );
    for (change, status, code) in [
        (json!({"display_name": " "}), 422, "bad_display_name"),
        (json!({"display_name": "a\nb"}), 422, "bad_display_name"),
        (json!({"status": "x".repeat(101)}), 422, "bad_profile"),
        (json!({"status": "a\nb"}), 422, "bad_profile"),
        (json!({"bio": "x".repeat(1_001)}), 422, "bad_profile"),
        (json!({"handle": "new"}), 400, "bad_request"),
        (json!({"role": "administrator"}), 400, "bad_request"),
        (json!({"status": 7}), 400, "bad_request"),
        (json!([]), 400, "bad_request"),
    ] {
        let answer = alice.raw("PATCH", "/profile", Some(&change)).await.unwrap();
        assert_eq!(raw_refusal(answer), refused(status, code), "{change}");
    }
}

#[tokio::test]
async fn a_picture_is_stored_square_small_and_without_its_metadata() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let mut bytes = picture(format);
        // A secret in a comment block of the file, where cameras write.
        if format == ImageFormat::Jpeg {
            bytes.splice(2..2, [&[0xFF, 0xFE, 0, 14][..], b"48.85 N 2.35"].concat());
        }
        let me: Value = upload(&app, alice.token(), bytes).await.json().await.unwrap();
        let avatar = me["avatar"].as_str().unwrap();
        let request = app.request(Method::GET, &format!("/api/avatars/{avatar}")).bearer_auth(alice.token());
        let stored = request.send().await.unwrap();
        assert_eq!(stored.headers()["content-type"], "image/jpeg");
        assert!(stored.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        let stored = stored.bytes().await.unwrap();
        assert!(!stored.windows(5).any(|window| window == b"48.85"));
        let decoded = image::load_from_memory(&stored).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (384, 384), "{format:?}");
    }
}

#[tokio::test]
async fn a_picture_that_is_none_is_refused_and_the_old_one_stays() {
    let app = TestApp::start().await;
    let alice = app.person("Alice").await;
    let me: Value = upload(&app, alice.token(), picture(ImageFormat::Png)).await.json().await.unwrap();

    let mut truncated = picture(ImageFormat::Png);
    truncated.truncate(100);
    let mut gif = b"GIF89a".to_vec();
    gif.extend([0; 100]);
    for bytes in [Vec::new(), b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), gif, truncated, bomb()] {
        let head = bytes.len().min(8);
        let answer = upload(&app, alice.token(), bytes.clone()).await;
        assert_eq!(refusal(answer).await, refused(422, "not_an_image"), "{:?}", &bytes[..head]);
    }
    let large = upload(&app, alice.token(), vec![0; (8 << 20) + 1]).await;
    assert_eq!(refusal(large).await, refused(413, "too_large"));
    let (_, session) = alice.raw("GET", "/session", None).await.unwrap();
    assert_eq!(session["me"]["avatar"], me["avatar"]);
    let (_, gone) = alice.raw("DELETE", "/profile/avatar", None).await.unwrap();
    assert_eq!(gone["avatar"], Value::Null);
}

/// A PNG of a few hundred bytes that claims to unfold to gigabytes.
fn bomb() -> Vec<u8> {
    let mut png = picture(ImageFormat::Png);
    // IHDR: length, name, then width and height; its checksum follows.
    png[16..24].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
    let crc = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}
