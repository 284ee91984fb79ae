//! `mechanism = "AWS_MSK_IAM"`: the region, and where Amazon's credentials come from. AWS's own tools set the variables, in the order of AWS's
//! own libraries. Credentials that Amazon issues are fetched later, by [`crate::aws`].

use super::{
    Environment,
    getters::Section,
    problem::ValueOrigin,
    secrets::{SecretSource, SecretText},
    url::{Service, service},
};

/// The values of `[kafka.sasl]` with `AWS_MSK_IAM`.
#[derive(Clone, Debug)]
pub struct AwsIam {
    /// The region of the cluster.
    pub region: String,
    /// Where the credentials come from.
    pub source: AwsSource,
}

/// A source of Amazon's credentials.
#[derive(Clone, Debug)]
pub enum AwsSource {
    /// The variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Variables {
        /// The name of the key, which is no secret.
        access_key: String,
        /// The key.
        secret_key: SecretText,
        /// The token of a temporary key.
        session_token: Option<SecretText>,
    },
    /// The role of a Kubernetes service account: Amazon's STS exchanges its token for credentials.
    WebIdentity {
        /// The URL of STS.
        url: String,
        /// The ARN of the role.
        role: String,
        /// The name of the session in Amazon's logs.
        session: String,
        /// The file with the token, which Kubernetes renews.
        token: SecretSource,
    },
    /// The endpoint of a container at ECS, or with EKS Pod Identity.
    Container {
        /// The URL of the credentials.
        url: String,
        /// What the endpoint wants in the header `Authorization`.
        authorization: Option<SecretSource>,
    },
    /// The role of a virtual machine, from its metadata service.
    Instance {
        /// The URL of the metadata service.
        url: String,
    },
}

impl AwsSource {
    /// Returns what a message calls this source.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Variables { .. } => "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Self::WebIdentity { .. } => "the role of the service account (AWS_ROLE_ARN)",
            Self::Container { .. } => "the role of the container (AWS_CONTAINER_CREDENTIALS_…)",
            Self::Instance { .. } => "the role of the virtual machine",
        }
    }

    /// Returns what the credentials are asked for with, where that is something of its own.
    fn token(&self) -> Option<&SecretSource> {
        match self {
            Self::WebIdentity { token, .. } => Some(token),
            Self::Container { authorization, .. } => authorization.as_ref(),
            Self::Variables { .. } | Self::Instance { .. } => None,
        }
    }
}

pub(super) const KEY: &str = "region";

/// Without TLS only these hosts of Amazon may be asked, beside this machine: the endpoints of ECS and of EKS Pod Identity, and the metadata
/// service of a virtual machine. They are not routed beyond the machine.
const LINK_LOCAL: [&str; 5] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "169.254.169.254", "fd00:ec2::254"];

/// Reads what `AWS_MSK_IAM` needs. `origin` is the place of the mechanism.
pub(super) fn read(
    table: &mut Section<'_>,
    brokers: &[String],
    environment: &Environment,
    origin: &ValueOrigin,
) -> Option<AwsIam> {
    let region = region(table, brokers, environment, origin);
    if !table.is_needed() {
        // Nobody will ask for credentials.
        return Some(AwsIam { region: region.unwrap_or_default(), source: AwsSource::Instance { url: String::new() } });
    }
    match source(environment, region.as_deref().unwrap_or_default()) {
        Ok(source) => {
            if matches!(source, AwsSource::Instance { .. }) && variable(environment, "AWS_PROFILE").is_some() {
                table.warn(
                    "mechanism",
                    "AWS_PROFILE is not read; `eval \"$(aws configure export-credentials --format env)\"` sets the variables that are",
                );
            }
            // Kubernetes and the container's own agent write the file, perhaps a moment later.
            if let Some(Err(why)) = source.token().map(|token| token.text(&Environment::default())) {
                table.warn("mechanism", &format!("no credentials from {} yet: {why}", source.name()));
            }
            region.map(|region| AwsIam { region, source })
        }
        Err(why) => {
            table.complain("mechanism", origin.clone(), &why);
            None
        }
    }
}

fn region(table: &mut Section<'_>, brokers: &[String], environment: &Environment, origin: &ValueOrigin) -> Option<String> {
    let is_region =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if let Some((region, origin)) = table.text(KEY) {
        if is_region(&region) {
            if let Some(other) = brokers.iter().filter_map(|broker| region_of(broker)).find(|other| *other != region) {
                table.warn(
                    KEY,
                    &format!("is \"{region}\", and a broker's name says {other}: tokens are valid in one region only"),
                );
            }
            return Some(region);
        }
        table.complain(KEY, origin, "is not the name of a region, such as \"eu-central-1\"");
        return None;
    }
    let named = brokers.iter().find_map(|broker| region_of(broker)).or_else(|| variable(environment, "AWS_REGION"));
    let named = named.or_else(|| variable(environment, "AWS_DEFAULT_REGION"));
    let region = named.filter(|region| is_region(region)).map(str::to_owned);
    if region.is_none() && table.is_needed() {
        table.complain(
            KEY,
            origin.clone(),
            "is missing, and the brokers' names and AWS_REGION name none; for example: region = \"eu-central-1\"",
        );
    }
    region
}

/// Returns the region in the name of one of Amazon's brokers: `b-1.name.abc123.c2.kafka.REGION.amazonaws.com:9098`.
fn region_of(broker: &str) -> Option<&str> {
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let (rest, region) = host.rsplit_once('.')?;
    matches!(rest.rsplit('.').next(), Some("kafka" | "kafka-serverless")).then_some(region)
}

/// Returns a variable that is set to something.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|value| !value.is_empty())
}

/// Returns a variable that must be there because another one is.
fn together<'a>(environment: &'a Environment, name: &str, with: &str) -> Result<&'a str, String> {
    variable(environment, name).ok_or_else(|| format!("the variable {with} is set and {name} is not; set both or neither"))
}

fn source(environment: &Environment, region: &str) -> Result<AwsSource, String> {
    let get = |name| variable(environment, name);
    let secret = |name: &str| SecretSource::Env(name.into()).text(environment);
    if let Some(access_key) = get("AWS_ACCESS_KEY_ID") {
        together(environment, "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")?;
        return Ok(AwsSource::Variables {
            access_key: access_key.into(),
            secret_key: secret("AWS_SECRET_ACCESS_KEY")?,
            session_token: get("AWS_SESSION_TOKEN").map(|_| secret("AWS_SESSION_TOKEN")).transpose()?,
        });
    }
    if let Some(file) = get("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let role = together(environment, "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")?.to_owned();
        // China has a domain of its own.
        let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = get("AWS_ENDPOINT_URL_STS").map_or_else(|| format!("https://sts.{region}.{end}/"), str::to_owned);
        safe("AWS_ENDPOINT_URL_STS", &url)?;
        let session = get("AWS_ROLE_SESSION_NAME").unwrap_or("hookgate").to_owned();
        return Ok(AwsSource::WebIdentity { url, role, session, token: SecretSource::File(file.into()) });
    }
    let (relative, full) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let container = match get(relative) {
        Some(path) => Some((relative, format!("http://{}/{}", LINK_LOCAL[0], path.trim_start_matches('/')))),
        None => get(full).map(|url| (full, url.to_owned())),
    };
    if let Some((name, url)) = container {
        safe(name, &url)?;
        let file = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|file| SecretSource::File(file.into()));
        let literal =
            get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|_| secret("AWS_CONTAINER_AUTHORIZATION_TOKEN")).transpose()?;
        return Ok(AwsSource::Container { url, authorization: file.or_else(|| literal.map(SecretSource::Literal)) });
    }
    if get("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Err("no credentials of Amazon: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the service account, the container \
                    or the machine a role"
            .into());
    }
    let url = get("AWS_EC2_METADATA_SERVICE_ENDPOINT").map_or_else(|| format!("http://{}", LINK_LOCAL[3]), str::to_owned);
    safe("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)?;
    Ok(AwsSource::Instance { url: url.trim_end_matches('/').to_owned() })
}

/// Checks that a URL leads to where nobody else can listen.
fn safe(name: &str, url: &str) -> Result<(), String> {
    // A query may be part of it, and is no part of the host.
    let Some(found) = service(url.split('?').next().unwrap_or_default()) else {
        return Err(format!("the variable {name} is not a URL"));
    };
    let Service { encrypted, host } = &found;
    if *encrypted || found.is_here() || LINK_LOCAL.contains(host) {
        Ok(())
    } else {
        Err(format!("the variable {name} would send credentials unencrypted; it must begin with https://"))
    }
}
