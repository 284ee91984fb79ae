//! All keys of hookgate.toml: the getters record them while they read texts that open every table.

use super::{Environment, Needs, keys::Key, reader::Reader, tables};

/// The texts that together open every table, and every alternative of one.
const TEXTS: [&str; 3] = [
    "[kafka]\nbrokers = [\"kafka:9092\"]\nsecurity = \"tls\"\n\
     [kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"user\"\npassword = \"env:PASSWORD\"\n\
     [http.tls]\ncertificate_file = \"tls.crt\"\nkey_file = \"tls.key\"\n\
     [schema_registry]\nurls = [\"https://registry\"]\n\
     [tracing]\nendpoint = \"https://collector\"\n\
     [recover.filespin]\napi_key = \"env:KEY\"\n[recover.filesafety]\napi_key = \"env:KEY\"\n\
     [recover.frameio]\naccount = \"account\"\ntoken = \"env:TOKEN\"\n\
     [recover.uploadcare]\npublic_key = \"key\"\nsecret_key = \"env:KEY\"\n\
     [endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:SECRET\"]\n",
    "[kafka]\nbrokers = [\"kafka:9092\"]\nsecurity = \"tls\"\n\
     [kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"https://issuer/token\"\nclient_id = \"client\"\n\
     client_secret = \"env:SECRET\"\n\
     [endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:SECRET\"]\n",
    "[kafka]\nbrokers = [\"kafka:9092\"]\nsecurity = \"tls\"\n\
     [kafka.sasl]\nmechanism = \"AWS_MSK_IAM\"\nregion = \"eu-central-1\"\n\
     [endpoints.a]\nprovider = \"frameio\"\nsecrets = [\"env:SECRET\"]\n",
];

/// Every key and table of `hookgate.toml`, a table before what is in it.
pub fn all_keys() -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for text in TEXTS {
        for key in read(text).records.into_keys() {
            if !keys.iter().any(|known| known.path == key.path) {
                keys.push(key);
            }
        }
    }
    keys
}

/// Reads a text to make the getters record its keys. The secrets and files that it names need not be there.
fn read(text: &str) -> Reader {
    let reader = Reader::new("hookgate.toml", Needs::Names);
    let root = reader.parse(text);
    let _config = tables::read(&reader, root, &Environment::default());
    reader
}

#[cfg(test)]
mod tests {
    use super::{
        super::{aws, hints, keys::Kind, sasl},
        *,
    };

    /// A table that the texts do not open has no keys here, and a key that they misspell is a complaint.
    #[test]
    fn the_texts_open_every_table_and_are_accepted() {
        for text in TEXTS {
            let reader = read(text);
            assert!(!reader.has_problems(), "{}", reader.into_problems());
        }
        let keys = all_keys();
        for table in keys.iter().filter(|key| key.kind == Kind::Table) {
            let within = |key: &&Key| key.path.strip_prefix(&table.path).is_some_and(|rest| rest.starts_with('.'));
            assert!(keys.iter().any(|key| within(&key)), "nothing opens [{}]", table.path);
        }
        for key in [sasl::OF_PASSWORDS.as_slice(), &sasl::OF_TOKENS, &[aws::KEY]].concat() {
            assert!(keys.iter().any(|known| known.path == format!("kafka.sasl.{key}")), "nothing opens {key}");
        }
    }
    /// A hint must not name a table or a key that does not exist any more.
    #[test]
    fn hints_name_what_there_is() {
        let keys = all_keys();
        let is_table = |key: &Key| matches!(key.kind, Kind::Table | Kind::Map(..));
        for (table, _, own) in hints::FOREIGN_KEYS.iter().filter(|(.., own)| !own.is_empty()) {
            let path = format!("{}.{own}", table.replace('*', "endpoints.<name>"));
            assert!(keys.iter().any(|key| key.path == path.trim_start_matches('.')), "[{table}] {own} is no key");
        }
        let inner = keys.iter().filter(|key| is_table(key) && key.path.contains('.') && !key.path.ends_with('>'));
        let mut inner: Vec<&str> = inner.map(|key| key.path.as_str()).collect();
        inner.sort_unstable();
        assert_eq!(inner, hints::INNER_TABLES);
    }
}
