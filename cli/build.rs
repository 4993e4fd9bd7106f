//! Asks the linker for packed relative relocations: 30 KiB in place of 1.4 MiB that every start of the program reads through,
//! and that an idle controller or agent then holds. Touches nothing. A linker that doesn't know them says so and goes on.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
