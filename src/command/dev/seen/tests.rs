use super::*;

#[test]
fn a_path_is_shown_without_tokens() {
    #[track_caller]
    fn check(path: &str, shown: &str, meant: Option<&str>) {
        let secrets = ["s3/cret".to_owned()];
        assert_eq!(place(path, &secrets), (shown.to_owned(), meant));
    }
    check("/webhooks/upladcare", "/webhooks/upladcare", Some("uploadcare"));
    check("/webhooks/UploadCare", "/webhooks/UploadCare", Some("uploadcare"));
    check("/webhooks/upladcare/token-of-production", "/webhooks/upladcare/…", Some("uploadcare"));
    check("/filespin/token-of-production", "/filespin/…", Some("filespin"));
    check("/hooks/v1/frameio", "/hooks/v1/frameio", Some("frameio"));
    check("/", "/", None);
    check("", "", None);
    check("/webhooks", "/webhooks", None);
    check("/webhooks/shop", "/webhooks/shop", None);
    check("/webhooks/shop/token-of-production", "/webhooks/shop/…", None);
    check("/webhooks/0123456789abcdef0123456789abcdef", "/webhooks/…", None);
    check("/webhooks/filespin&token=x", "/webhooks/filespin…", Some("filespin"));
    check("/webhooks/filespni%3Ftoken=x", "/webhooks/filespni…", Some("filespin"));
    check("/webhooks/filespin:prodtok12345", "/webhooks/filespin…", Some("filespin"));
    check("/prodtoken0123456789/webhooks/filespin", "/…/webhooks/filespin", Some("filespin"));
    check("/hooks/9f8e7d6c5b4a39281706", "/hooks/…", None);
    check("/API/Hooks/v2", "/API/Hooks/…", None);
    check("/API/v2", "/API/v2", None);
    check("/webhook/s3cr3tTok", "/webhook/…", None);
    check("/s3cr3t-Tok_9", "/…", None);
    check("/PRODTOKENaloneXYZ0123", "/…", None);
    check("/webhooks/correct-horse-battery-staple", "/webhooks/…", None);
    check("/webhooks/s3%2Fcret", "/webhooks/…", None);
    check("/webhooks/s3/cret", "/webhooks/…", None);
}
