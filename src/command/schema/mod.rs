//! `hookgate schema`: the schemas that consumers build on, from the binary that writes the records, and the schema of hookgate.toml for
//! editors and the Helm chart.

mod asyncapi;
mod configuration;
mod example;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::{CommandResult, ConfigSource, Failure};
use crate::{
    config::{Environment, Needs},
    proto,
};

/// Print the schema of the records: .proto files, descriptors, or an AsyncAPI document; or that of the configuration.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate schema proto --out proto
  hookgate schema descriptors > hookgate.binpb
  hookgate schema asyncapi --config hookgate.toml > asyncapi.json
  hookgate schema config > hookgate.schema.json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Proto(Proto),
    Descriptors(Descriptors),
    Asyncapi(Asyncapi),
    /// Print the JSON Schema of hookgate.toml, for editors: its tables and keys, their kinds, defaults, words and limits.
    Config,
}

/// Print the .proto files: one of them as it is, or all as one file; or write them as a tree.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate schema proto > hookgate.proto
  hookgate schema proto hookgate/v1/event.proto
  hookgate schema proto --out proto")]
struct Proto {
    /// One file, as it is. Without it all of them, as one file that imports only what protoc brings.
    #[arg(value_name = "FILE", value_parser = PossibleValuesParser::new(proto::FILES.iter().map(|(name, _)| *name)))]
    file: Option<String>,
    /// Write the files, as they are, into this folder instead.
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    out: Option<PathBuf>,
}

/// Print the compiled schema: a serialized google.protobuf.FileDescriptorSet with everything that it imports.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate schema descriptors > hookgate.binpb
  hookgate schema descriptors --without-comments > hookgate.binpb")]
struct Descriptors {
    /// Leave comments and positions out.
    #[arg(long)]
    without_comments: bool,
}

/// Print an AsyncAPI 3 document: topics, keys, headers and messages, with examples.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate schema asyncapi > asyncapi.json
  hookgate schema asyncapi --config hookgate.toml > asyncapi.json")]
struct Asyncapi {
    /// Describe the topics and brokers of this configuration instead of the defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    match &arguments.what {
        What::Proto(Proto { out: Some(folder), .. }) => write_tree(folder)?,
        What::Proto(Proto { file: Some(file), .. }) => {
            let text = proto::FILES.iter().find(|(name, _)| name == file).map_or("", |(_, text)| text);
            print(text.as_bytes())?;
        }
        What::Proto(_) => print(proto::one_file().as_bytes())?,
        What::Descriptors(_) if io::stdout().is_terminal() => {
            let message = "the descriptors are binary, and this is a terminal: write them to a file with > hookgate.binpb";
            return Err(Failure::Failed(message.into()));
        }
        What::Descriptors(Descriptors { without_comments: true }) => print(&proto::bare_descriptor_set())?,
        What::Descriptors(_) => print(proto::DESCRIPTOR_SET)?,
        What::Asyncapi(Asyncapi { config }) => {
            let document = match config {
                Some(config) => {
                    let source = ConfigSource { config: config.clone(), brokers: None };
                    asyncapi::of(&source.load(environment, Needs::Names)?)
                }
                None => asyncapi::of_the_defaults()?,
            };
            print(format!("{document:#}\n").as_bytes())?;
        }
        What::Config => print(format!("{:#}\n", configuration::schema()).as_bytes())?,
    }
    Ok(true)
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn write_tree(folder: &Path) -> Result<(), Failure> {
    for (name, text) in proto::FILES {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
