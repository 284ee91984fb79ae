//! nginx as Debian configures it, as a proxy before the replicas: it speaks HTTP/1.0 to them, and a replica that fails once gets no request
//! for ten seconds.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::daemon::RUNNING;

/// A running nginx. Dropping it ends it.
pub(crate) struct Nginx(Child);

/// Returns the path of nginx: Debian installs it in a folder that only root's PATH contains.
pub(crate) fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|file| file.is_file())
}

impl Nginx {
    /// Starts nginx with its files in this folder and waits until it listens.
    pub(crate) fn start(folder: &Path, listen: SocketAddr, replicas: &[SocketAddr]) -> Result<Self, String> {
        if TcpStream::connect(listen).is_ok() {
            return Err(format!("another program listens on {listen}"));
        }
        let folder = folder.join("nginx");
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (file, log) = (folder.join("nginx.conf"), File::create(folder.join("log")).map_err(|error| error.to_string())?);
        fs::write(&file, configuration(&folder, listen, replicas)).map_err(|error| error.to_string())?;
        let mut command = Command::new(program().ok_or("nginx is not installed")?);
        command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut running = RUNNING.lock().expect("no thread panics while it holds the lock");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
        running.push(child.id());
        drop(running);
        let (mut nginx, begin) = (Self(child), Instant::now());
        while TcpStream::connect(listen).is_err() {
            if begin.elapsed() > Duration::from_secs(15) || !matches!(nginx.0.try_wait(), Ok(None)) {
                return Err(format!("nginx does not listen, see {}", folder.display()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // nginx may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
        RUNNING.lock().expect("no thread panics while it holds the lock").retain(|pid| *pid != self.0.id());
    }
}

/// Returns the least configuration that nginx needs; nothing in it changes how nginx forwards requests. It allows enough connections for
/// all requests that wait while Kafka is slow. nginx runs as one process, so that ending the process ends all of nginx.
fn configuration(folder: &Path, listen: SocketAddr, replicas: &[SocketAddr]) -> String {
    let folder = folder.display();
    let mut text = format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nworker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _infallible = writeln!(text, "{kind}_temp_path {folder}/{kind};");
    }
    text += "upstream replicas {\n";
    for replica in replicas {
        let _infallible = writeln!(text, "server {replica};");
    }
    let _infallible = writeln!(text, "}}\nserver {{ listen {listen}; location / {{ proxy_pass http://replicas; }} }}\n}}");
    text
}
