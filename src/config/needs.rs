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
    /// The connections to Kafka, the schema registry and the providers' own APIs.
    Recovery,
    /// The providers' own APIs, and the secrets of the endpoints.
    Subscriptions,
    /// Everything that the daemon uses: all but the providers' own APIs.
    Daemon,
    /// Everything.
    Everything,
}

impl Needs {
    /// Returns whether the secrets and files of a top-level table are used.
    pub(super) fn include(self, table: &str) -> bool {
        match self {
            Self::Names => false,
            Self::Kafka => table == "kafka",
            Self::Cluster => matches!(table, "kafka" | "schema_registry"),
            Self::Recovery => matches!(table, "kafka" | "schema_registry" | "recover"),
            Self::Subscriptions => matches!(table, "recover" | "endpoints"),
            Self::Daemon => table != "recover",
            Self::Everything => true,
        }
    }
}
