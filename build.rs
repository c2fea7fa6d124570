//! Tells the binary which revision it was built from, for `bingo_exporter_build_info`, and the linker what to put together.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    order_functions();
    take_in_unwinder();
    strip();
    println!("cargo::rerun-if-env-changed=BINGO_EXPORTER_REVISION");
    // Written at each commit and checkout; a tree without it is no git checkout, and cargo would always rerun us.
    let log = ".git/logs/HEAD";
    println!(
        "cargo::rerun-if-changed={}",
        if Path::new(log).exists() { log } else { "build.rs" }
    );
    let given = env::var("BINGO_EXPORTER_REVISION").ok();
    let revision = given.or_else(git_revision).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=BINGO_EXPORTER_REVISION={revision}");
}

fn git_revision() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let revision = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| revision.trim().to_owned())
}

/// Resident memory is mostly the program itself, and the kernel maps it 64 kB at a time: with the functions that a running
/// exporter uses side by side (`deploy/link/order.sh` finds them), 2 MB less of it. Names that are gone do no harm.
fn order_functions() {
    let order = env::current_dir()
        .unwrap_or_default()
        .join("deploy/link/x86_64-unknown-linux-gnu.order");
    println!("cargo::rerun-if-changed={}", order.display());
    // Only lld can do it. It comes with the compiler, which uses it for this target unless told otherwise.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let chosen = env::var_os("RUSTC_LINKER").is_some() || flags.contains("link");
    if is_for_users() && !chosen && has_lld() && order.exists() {
        println!(
            "cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={}",
            order.display()
        );
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}

/// Only a panic's backtrace needs it: inside, it is hardly resident, as a shared library 100 kB of it are.
fn take_in_unwinder() {
    if is_for_users() {
        // Named before the standard library names the shared one, which nothing is left to need then.
        println!("cargo::rustc-link-lib=dylib=gcc_eh");
    }
}

fn is_for_users() -> bool {
    let is = |name, expected| env::var(name).is_ok_and(|value| value == expected);
    is("TARGET", "x86_64-unknown-linux-gnu") && is("PROFILE", "release")
}

/// Leaves the names out of what is shipped; `deploy/link/order.sh` needs them.
fn strip() {
    println!("cargo::rerun-if-env-changed=KEEP_SYMBOLS");
    let is = |name, expected| env::var(name).is_ok_and(|value| value == expected);
    if is("PROFILE", "release") && is("DEBUG", "false") && env::var_os("KEEP_SYMBOLS").is_none() {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}

fn has_lld() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "sysroot"]).output();
    output.is_ok_and(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Path::new(&sysroot)
            .join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld")
            .exists()
    })
}
