#![allow(
    clippy::all,
    clippy::unwrap_used,
    missing_docs,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]
use ferryd_domain::*;
use ferryd_storage::*;
use std::time::Instant;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let what = std::env::args().nth(2).unwrap();
    let n: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let a = Account { home_dir: dir.clone(), ..Account::default() };
    let s = open::open(&a, &open::OpenOptions { umask: 0o22 }).await.unwrap();
    let p = |x: &str| VirtualPath::parse(x.as_bytes()).unwrap();
    std::fs::create_dir_all(format!("{dir}/sub")).unwrap();
    std::fs::write(format!("{dir}/file"), b"x").unwrap();
    std::fs::write(format!("{dir}/sub/file"), b"x").unwrap();
    let t = Instant::now();
    match what.as_str() {
        "root" => {
            let p = p("/file");
            for _ in 0..n {
                s.locate(&p, Links::Keep).await.unwrap().stat().await.unwrap();
            }
        }
        "sub" => {
            let p = p("/sub/file");
            for _ in 0..n {
                s.locate(&p, Links::Keep).await.unwrap().stat().await.unwrap();
            }
        }
        "follow" => {
            let p = p("/sub/file");
            for _ in 0..n {
                s.locate(&p, Links::Follow).await.unwrap().stat().await.unwrap();
            }
        }
        "list" => {
            for i in 0..20000 {
                let f = format!("{dir}/sub/{i}");
                if !std::path::Path::new(&f).exists() {
                    std::fs::write(f, b"").unwrap();
                }
            }
            let t = Instant::now();
            let mut c = 0;
            for _ in 0..n {
                let mut l = s.locate(&p("/sub"), Links::Keep).await.unwrap().list().await.unwrap();
                loop {
                    let b = l.next(100).await.unwrap();
                    if b.is_empty() {
                        break;
                    }
                    c += b.len();
                }
            }
            println!("per entry {:?}", t.elapsed() / c as u32);
        }
        "read" => {
            let f = format!("{dir}/big");
            std::fs::write(&f, vec![7u8; 256 << 20]).unwrap();
            let h = s.locate(&p("/big"), Links::Keep).await.unwrap().open_read().await.unwrap();
            let t = Instant::now();
            let size = n << 10;
            let mut total = 0usize;
            for _ in 0..4 {
                let mut o = 0u64;
                loop {
                    let mut b = Vec::with_capacity(13 + size);
                    b.extend_from_slice(&[0; 13]);
                    let b = h.read_at(o, size, b).await.unwrap();
                    if b.len() == 13 {
                        break;
                    }
                    o += (b.len() - 13) as u64;
                    total += b.len() - 13;
                    std::hint::black_box(&b);
                }
            }
            println!(
                "read s/GiB {:.3}",
                t.elapsed().as_secs_f64() / (total as f64 / (1u64 << 30) as f64)
            );
            let t = Instant::now();
            let f = std::fs::File::open(&f).unwrap();
            use std::os::unix::fs::FileExt;
            let mut total = 0;
            for _ in 0..4 {
                let mut o = 0u64;
                loop {
                    let mut b = vec![0u8; 13 + size];
                    let r = f.read_at(&mut b[13..], o).unwrap();
                    if r == 0 {
                        break;
                    }
                    o += r as u64;
                    total += r;
                    std::hint::black_box(&b);
                }
            }
            println!(
                "zeroed pread s/GiB {:.3}",
                t.elapsed().as_secs_f64() / (total as f64 / (1u64 << 30) as f64)
            );
        }
        _ => {}
    }
    println!("{what} {:?} each", t.elapsed() / n as u32);
}
