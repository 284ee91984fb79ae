//! The schemas to register: the files of `proto/`, each with the files that it imports.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::proto::DESCRIPTOR_SET;

/// The file that holds [`MESSAGE`].
pub const ROOT: &str = "hookgate/v1/event.proto";
/// The message that every value holds.
pub const MESSAGE: &str = "hookgate.v1.Event";

/// One file of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// The path by which other files import it.
    pub name: String,
    /// The descriptor of the file in base64. Registries accept a descriptor as well as a file's text, and Confluent's Python client reads
    /// only the descriptor, unless the registry translates.
    pub descriptor: String,
    /// The files that this file imports, except protobuf's own, which every registry and every client has.
    pub imports: Vec<String>,
}

/// The files of the schema, each after those that it imports; [`ROOT`] is the last.
pub static FILES: LazyLock<Vec<SchemaFile>> = LazyLock::new(|| {
    let descriptors = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("the build embeds the schema that it compiled");
    // The compiler writes imported files first.
    descriptors.file.into_iter().filter(|file| is_ours(file.name())).map(file).collect()
});

/// Returns a file in the form to register. Comments are left out, so that a better comment is not a new version of the schema. JSON names
/// that follow from the field names are left out too, as in the descriptors that code generators embed.
fn file(mut descriptor: FileDescriptorProto) -> SchemaFile {
    descriptor.source_code_info = None;
    for message in &mut descriptor.message_type {
        forget_json_names(message);
    }
    SchemaFile {
        name: descriptor.name().into(),
        imports: descriptor.dependency.iter().filter(|name| is_ours(name)).cloned().collect(),
        descriptor: BASE64_STANDARD.encode(descriptor.encode_to_vec()),
    }
}

fn forget_json_names(message: &mut DescriptorProto) {
    for field in &mut message.field {
        field.json_name = None;
    }
    for nested in &mut message.nested_type {
        forget_json_names(nested);
    }
}

fn is_ours(name: &str) -> bool {
    !name.starts_with("google/protobuf/")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn descriptor(file: &SchemaFile) -> FileDescriptorProto {
        FileDescriptorProto::decode(&*BASE64_STANDARD.decode(&file.descriptor).unwrap()).unwrap()
    }

    #[test]
    fn each_file_stands_behind_those_that_it_imports() {
        for (at, file) in FILES.iter().enumerate() {
            for import in &file.imports {
                assert!(FILES[..at].iter().any(|before| before.name == *import), "{import} of {}", file.name);
            }
            let descriptor = descriptor(file);
            assert_eq!((descriptor.name(), descriptor.package()), (&*file.name, "hookgate.v1"));
            assert_eq!(descriptor.source_code_info, None);
        }
        assert_eq!(FILES.len(), crate::proto::FILES.len());
        assert_eq!(FILES.last().map(|file| file.name.as_str()), Some(ROOT));
    }

    #[test]
    fn an_event_is_the_first_message_of_its_file() {
        let root = descriptor(FILES.last().unwrap());
        let first = format!("{}.{}", root.package(), root.message_type[0].name());
        assert_eq!(first, MESSAGE, "the path before each value says so");
    }

    /// A daemon that only looks schemas up finds them by exactly these bytes: they must change when a field is added, and not with a
    /// comment or a dependency.
    #[test]
    fn what_is_registered_changes_only_on_purpose() {
        let lines = FILES.iter().fold(String::new(), |mut lines, file| {
            writeln!(lines, "{} {}", hex::encode(&Sha256::digest(&file.descriptor)[..8]), file.name).unwrap();
            lines
        });
        insta::assert_snapshot!(lines);
    }
}
