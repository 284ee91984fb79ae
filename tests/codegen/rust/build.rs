//! Generates the code from the schema, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../../proto/hookgate");
    let descriptors = protox::compile(["hookgate/v1/event.proto"], ["../../../proto"])?;
    prost_build::compile_fds(descriptors)?;
    Ok(())
}
