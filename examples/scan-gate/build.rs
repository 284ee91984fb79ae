//! Generates the code of both schemas in pure Rust, so that the build needs no `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let folders = ["../../proto", "proto"];
    for folder in folders {
        println!("cargo::rerun-if-changed={folder}");
    }
    let descriptors = protox::compile(["hookgate/v1/event.proto", "scangate/v1/scangate.proto"], folders)?;
    prost_build::Config::new().boxed(".hookgate.v1.Event.payload.uploadcare_file").compile_fds(descriptors)?;
    Ok(())
}
