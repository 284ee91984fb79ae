//! What a command uses of a configuration.

/// The parts of a configuration that a command uses. Secrets and files of tables that it does not use need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only what is written in the file.
    Names,
    /// The connection to Kafka.
    Kafka,
    /// The connections to Kafka and the schema registry.
    Cluster,
    /// The connections to Kafka, the schema registry and the providers' own APIs, or only that of the provider with this name.
    Recovery(Option<&'static str>),
    /// The providers' own APIs, or only that of the provider with this name, and the secrets of the endpoints.
    Subscriptions(Option<&'static str>),
    /// Everything that the daemon uses: all but the providers' own APIs.
    Daemon,
    /// Everything.
    Everything,
}

impl Needs {
    /// Returns whether the secrets and files of a table are used. `path` is the name of the table, with the names of the tables around it.
    pub(super) fn include(self, path: &str) -> bool {
        let (table, inner) = path.split_once('.').unwrap_or((path, ""));
        let asked = |only: Option<&str>| table == "recover" && only.is_none_or(|name| inner.is_empty() || inner == name);
        match self {
            Self::Names => false,
            Self::Kafka => table == "kafka",
            Self::Cluster => matches!(table, "kafka" | "schema_registry"),
            Self::Recovery(only) => matches!(table, "kafka" | "schema_registry") || asked(only),
            Self::Subscriptions(only) => table == "endpoints" || asked(only),
            Self::Daemon => table != "recover",
            Self::Everything => true,
        }
    }
}
