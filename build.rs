//! Compiles `proto/` in pure Rust, so that nobody needs `protoc`, and keeps the descriptor set beside the
//! generated code: `hookgate tail` prints events through it. The pages of docs/runbooks go into the binary as well.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/hookgate");
    tell_of_oauth();
    let descriptors = protox::compile(["hookgate/v1/event.proto"], ["proto"])?;
    #[expect(clippy::disallowed_methods, reason = "cargo passes this to build scripts through the environment")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    keep_runbooks(&out)?;
    keep_schema(&out, descriptors.file.iter().filter_map(|file| file.name.as_deref()))?;
    fs::write(out.join("hookgate.v1.binpb"), descriptors.encode_to_vec())?;
    prost_build::Config::new()
        // The body is the largest field by far: sharing it saves one copy per delivery.
        .bytes(["hookgate.v1.Event.body"])
        // Maps in the order of their keys, so that the same delivery encodes to the same bytes.
        .btree_map(["."])
        // By far the largest payload: every event would be moved about at its size.
        .boxed(".hookgate.v1.Event.payload.uploadcare_file")
        .compile_fds(descriptors)?;
    Ok(())
}

/// Writes the pages of docs/runbooks as one list of names and texts, by name: the admin port serves them.
fn keep_runbooks(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=docs/runbooks");
    let folder = env::current_dir()?.join("docs/runbooks");
    let mut pages = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    pages.sort();
    let entry = |page: &PathBuf| Some(format!("({:?}, include_str!({:?})),\n", page.file_stem()?.to_str()?, page.to_str()?));
    let list: String = pages.iter().filter_map(entry).collect();
    fs::write(out.join("runbooks.rs"), format!("&[\n{list}]\n"))?;
    Ok(())
}

/// Writes the files of `proto/` as one list of paths and texts. The compiler has those that others import first.
fn keep_schema<'a>(out: &Path, names: impl Iterator<Item = &'a str>) -> Result<(), Box<dyn Error>> {
    let folder = env::current_dir()?.join("proto");
    let ours = names.filter(|name| !name.starts_with("google/"));
    let entry = |name: &str| Some(format!("({name:?}, include_str!({:?})),\n", folder.join(name).to_str()?));
    let list: String = ours.filter_map(entry).collect();
    fs::write(out.join("schema.rs"), format!("&[\n{list}]\n"))?;
    Ok(())
}

/// librdkafka's own build says nothing where it leaves OAuth out.
fn tell_of_oauth() {
    println!("cargo::rerun-if-env-changed=LIBRARY_PATH");
    let path = env::var_os("LIBRARY_PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.ends_with(".cargo/stub")) {
        println!(
            "cargo::warning=unless this system has a libcurl to link with, OAUTHBEARER for Kafka is left out: LIBRARY_PATH does not lead to \
             .cargo/stub. Put that folder in front of yours, run `cargo clean -p rdkafka-sys`, and build in Hookgate's folder."
        );
    }
}
