//! Proxies that are started for a test and end with the test.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A proxy and its settings.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// nginx, with these directives at the location that passes requests on.
    Nginx(&'static str),
    /// nginx that sends a copy of each request to this address, as docs/capture.md says.
    NginxMirror(SocketAddr),
    Haproxy,
}

/// nginx with its defaults: HTTP/1.0, and one connection for each request.
pub const NGINX: Kind = Kind::Nginx("");
/// nginx with kept connections, as its documentation recommends.
pub const NGINX_KEPT: Kind = Kind::Nginx("proxy_http_version 1.1; proxy_set_header Connection \"\";");
/// nginx with kept connections, which passes a body on as it arrives.
pub const NGINX_UNBUFFERED: Kind =
    Kind::Nginx("proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_request_buffering off;");
/// HAProxy keeps connections, buffers nothing and asks for the health.
pub const HAPROXY: Kind = Kind::Haproxy;

impl Kind {
    /// Returns whether the proxy reads a whole body before it passes anything on.
    pub fn buffers(self) -> bool {
        matches!(self, Self::Nginx(directives) if !directives.contains("proxy_request_buffering off"))
    }
}

/// A running proxy. Dropping it ends it.
pub struct Proxy {
    pub address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Proxy {
    /// Starts a proxy for these replicas.
    pub fn start(kind: Kind, replicas: &[SocketAddr]) -> Self {
        // Another process may take the port before the proxy does.
        (0..5).find_map(|_| Self::try_start(kind, replicas)).expect("the proxy does not start")
    }

    fn try_start(kind: Kind, replicas: &[SocketAddr]) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("proxy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.join("proxy.conf");
        let mut command = match kind {
            Kind::Nginx(_) | Kind::NginxMirror(_) => {
                let text = match kind {
                    Kind::NginxMirror(to) => nginx(&folder, address, replicas, "mirror /capture;", &mirror(to)),
                    Kind::Nginx(directives) => nginx(&folder, address, replicas, directives, ""),
                    Kind::Haproxy => String::new(),
                };
                fs::write(&file, text).unwrap();
                let mut command = Command::new(program("nginx"));
                command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
                command
            }
            Kind::Haproxy => {
                fs::write(&file, haproxy(address, replicas)).unwrap();
                let mut command = Command::new(program("haproxy"));
                command.arg("-db").arg("-f").arg(&file);
                command
            }
        };
        let log = fs::File::create(folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut proxy = Self { address, child: command.spawn().unwrap(), folder };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = proxy.child.try_wait().unwrap() {
                assert!(proxy.log().contains("in use"), "{kind:?} has ended with {status}:\n{}", proxy.log());
                return None;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{kind:?} does not listen:\n{}", proxy.log());
            thread::sleep(Duration::from_millis(10));
        }
        Some(proxy)
    }

    /// Returns the output of the proxy.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The worker of nginx ends with its master if the master gets SIGTERM, but not if the master is killed.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _gone = self.child.kill();
        }
        let _status = self.child.wait();
        let _in_use = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the path of a program. Debian has these two in folders that are only in root's PATH.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: these tests need the packages nginx and haproxy"))
}

/// Returns the user or the group of this process. Under root, nginx would otherwise run its worker as a user who may not read the folder.
fn myself(what: &str) -> String {
    let output = Command::new("id").arg(what).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns the location of docs/capture.md that takes the copies, with another address in it.
fn mirror(to: SocketAddr) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/capture.md")).unwrap();
    assert!(page.contains("        mirror /capture; "), "the page has another directive");
    let (_, after) = page.split_once("    location = /capture {").expect("the page has the location");
    let (inner, _) = after.split_once("\n    }\n").expect("the location ends");
    assert!(inner.contains("127.0.0.1:9099"), "{inner}");
    format!("location = /capture {{{}\n}}", inner.replace("127.0.0.1:9099", &to.to_string()))
}

fn nginx(folder: &Path, listen: SocketAddr, replicas: &[SocketAddr], directives: &str, more: &str) -> String {
    let (user, group, folder) = (myself("-un"), myself("-gn"), folder.display());
    let mut text = format!("user {user} {group};\ndaemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\n");
    text += "events { worker_connections 256; }\nhttp {\naccess_log off;\nclient_max_body_size 8m;\n";
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{kind}_temp_path {folder}/{kind};").unwrap();
    }
    text += "upstream replicas {\n";
    for replica in replicas {
        writeln!(text, "server {replica};").unwrap();
    }
    text += if directives.is_empty() { "}\n" } else { "keepalive 16;\n}\n" };
    writeln!(text, "server {{ listen {listen}; location / {{ proxy_pass http://replicas; {directives} }}\n{more} }}\n}}")
        .unwrap();
    text
}

fn haproxy(listen: SocketAddr, replicas: &[SocketAddr]) -> String {
    let mut text = "global\n  maxconn 256\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n".to_owned();
    writeln!(text, "  timeout server 30s\nfrontend in\n  bind {listen}\n  default_backend replicas\nbackend replicas").unwrap();
    text += "  option httpchk\n  http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host replicas\n";
    text += "  timeout check 5s\n  default-server check inter 100ms\n";
    for (number, replica) in replicas.iter().enumerate() {
        writeln!(text, "  server r{number} {replica}").unwrap();
    }
    text
}
