//! A file as Frame.io's API describes it.

use serde::Deserialize;

/// What the API says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// The id of the file.
    pub id: String,
    /// The project, if the answer names it.
    pub project_id: String,
    /// Whether the file is processed and can be played.
    pub ready: bool,
}

// These fields are read strictly, unlike those of webhooks: a file that cannot be read must not count as one that is not ready.
#[derive(Deserialize)]
struct FoundFile {
    id: String,
    status: String,
    project_id: Option<String>,
}

impl FileState {
    /// Reads a file of the API's answer. The error names no value.
    pub fn of(file: &str) -> Result<Self, &'static str> {
        let wire: FoundFile = serde_json::from_str(file).map_err(|_| "a field is missing or of the wrong type")?;
        let ready = match &*wire.status {
            "created" | "uploaded" => false,
            "transcoded" => true,
            _ => return Err("the status is unknown"),
        };
        Ok(Self { id: wire.id, project_id: wire.project_id.unwrap_or_default(), ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_a_file_is_ready() {
        fn check(file: &str, expected: Result<(&str, &str, bool), &str>) {
            let found = FileState::of(file);
            let found = found.as_ref().map(|file| (file.id.as_str(), file.project_id.as_str(), file.ready)).map_err(|why| *why);
            assert_eq!(found, expected, "{file}");
        }
        check(r#"{"id":"f","status":"transcoded","project_id":"p","name":"a.mov"}"#, Ok(("f", "p", true)));
        check(r#"{"id":"f","status":"transcoded"}"#, Ok(("f", "", true)));
        check(r#"{"id":"f","status":"uploaded","project_id":null}"#, Ok(("f", "", false)));
        check(r#"{"id":"f","status":"created"}"#, Ok(("f", "", false)));
        check(r#"{"id":"f","status":"Transcoded"}"#, Err("the status is unknown"));
        for wrong in ["", "{}", "[]", r#"{"id":"f"}"#, r#"{"status":"created"}"#, r#"{"id":1,"status":"created"}"#] {
            check(wrong, Err("a field is missing or of the wrong type"));
        }
    }
}
