//! Checks that TensorFlow Lite is there and tells the linker where the binary
//! will find it at run time.

use std::path::Path;

fn main() {
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let library = format!(".deps/tflite/{target}/libtensorflowlite_c.so");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={library}");
    if !Path::new(&library).exists() {
        println!(
            "cargo:error=TensorFlow Lite is missing ({library}): run `make setup` \
             (for another board: `make setup TARGET={target}`)"
        );
        std::process::exit(1);
    }

    // In a package: /usr/bin/expressiond finds it in /usr/lib/expressiond (deploy/deb).
    println!("cargo:rerun-if-env-changed=EXPRESSIOND_PACKAGE");
    if std::env::var_os("EXPRESSIOND_PACKAGE").is_some() {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/expressiond");
        return;
    }
    // In a checkout: from target/<profile>/, target/<triple>/<profile>/ and the deps/
    // folder of either, for tests. All relative, so that a binary tells nothing about
    // the machine that built it.
    for up in ["../..", "../../..", "../../../.."] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/{up}/.deps/tflite/{target}");
    }
}
