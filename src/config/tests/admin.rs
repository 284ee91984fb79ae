//! `[admin]`.

use super::*;

#[test]
fn admin() {
    let config = accept(&format!("{MINIMAL}\n[admin]\nhosts = [\"a\", \"A-b_c.example\"]\nscrape_max_age = \"0s\""), &[], &[]);
    assert_eq!((config.admin.hosts, config.admin.scrape_max_age), (vec!["a".into(), "A-b_c.example".into()], Duration::ZERO));
    let given = accept(MINIMAL, &[("HOOKGATE_ADMIN__HOSTS", "a,b.example")], &[]);
    assert_eq!(given.admin.hosts, ["a", "b.example"]);

    for wrong in ["b:9090", "10.0.0.1", "::1", "*.example", "http://a", "a..b", "a.", ""] {
        let message = "is not a host's name, such as \"hookgate-admin.hooks.svc\", without a port";
        check_more(
            &format!("[admin]\nhosts = [\"a\", {wrong:?}]"),
            &[&format!("hookgate.toml:14: [admin] hosts: {wrong:?} {message}")],
        );
    }
    check_more("[admin]\nscrape_max_age = \"61s\"", &["hookgate.toml:14: [admin] scrape_max_age: must lie between 0s and 60s"]);
}
