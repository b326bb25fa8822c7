//! Pictures as people give them: decoded within limits, and stored anew, so that nothing of the file but its pixels
//! stays (no place, no camera).

use std::io::Cursor;

use axum::body::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use tokio::sync::Semaphore;

use crate::error::{Code, Error, Result};

/// Of a file that somebody gives.
pub const MAX_BYTES: usize = 8 << 20;
/// Sharp at the largest size they are shown, on a screen of double density.
const AVATAR_PIXELS: u32 = 384;
const LOGO_PIXELS: u32 = 256;

/// A picture is decoded in memory, so this bounds what one small file can unfold to, and only one is decoded
/// at a time.
const MAX_DECODED_BYTES: u64 = 192 << 20;
const MAX_SIDE: u32 = 10_000;
static DECODING: Semaphore = Semaphore::const_new(1);

/// A JPEG, PNG or WebP, made into what is stored by one of the functions below.
pub async fn store_anew(file: Bytes, how: fn(DynamicImage) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let _turn = DECODING.acquire().await.map_err(Error::internal)?;
    let made = tokio::task::spawn_blocking(move || how(decode(&file).ok_or(Code::NotAnImage)?));
    made.await.map_err(Error::internal)?
}

/// Cut square, on white; a JPEG.
pub fn avatar(picture: DynamicImage) -> Result<Vec<u8>> {
    let square = picture.resize_to_fill(AVATAR_PIXELS, AVATAR_PIXELS, FilterType::CatmullRom).into_rgba8();
    let mut on_white = RgbImage::from_pixel(AVATAR_PIXELS, AVATAR_PIXELS, Rgb([255; 3]));
    for (x, y, pixel) in square.enumerate_pixels() {
        let [r, g, b, a] = pixel.0.map(u32::from);
        let over = |c: u32| ((c * a + 255 * (255 - a)) / 255) as u8;
        on_white.put_pixel(x, y, Rgb([over(r), over(g), over(b)]));
    }
    let mut jpeg = Vec::new();
    on_white.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 85)).map_err(Error::internal)?;
    Ok(jpeg)
}

/// Whole, and as transparent as it was; a PNG.
pub fn logo(picture: DynamicImage) -> Result<Vec<u8>> {
    let fits = picture.width() <= LOGO_PIXELS && picture.height() <= LOGO_PIXELS;
    let small = if fits { picture } else { picture.resize(LOGO_PIXELS, LOGO_PIXELS, FilterType::CatmullRom) };
    let mut png = Cursor::new(Vec::new());
    small.to_rgba8().write_to(&mut png, ImageFormat::Png).map_err(Error::internal)?;
    Ok(png.into_inner())
}

fn decode(file: &[u8]) -> Option<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok()?;
    if !matches!(reader.format()?, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) {
        return None;
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let orientation = decoder.orientation().ok()?;
    let mut picture = DynamicImage::from_decoder(decoder).ok()?;
    picture.apply_orientation(orientation);
    Some(picture)
}
