//! The distribution in front of the API: it is optional, and it keeps the files of the console and nothing
//! else.

use serde_norway::Value;

use crate::{template, texts};

/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html>
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html>
const ALL_VIEWER_EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
/// The errors that are kept for ten seconds by default.
const KEPT_ERRORS: [u64; 11] = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

fn distribution() -> Value {
    template()["Resources"]["Distribution"].clone()
}

#[test]
fn without_the_parameter_there_is_no_distribution() {
    let template = template();
    assert_eq!(template["Parameters"]["CloudFront"]["Default"], "off");
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        if resource["Type"].as_str().unwrap().starts_with("AWS::CloudFront::") {
            assert_eq!(resource["Condition"], "UseCloudFront", "{name:?}");
        }
    }
    // The domain is that of the API or that of the distribution.
    assert_eq!(template["Resources"]["ApiDomain"]["Condition"], "HasApiDomain");
    assert_eq!(template["Resources"]["ApiMapping"]["Condition"], "HasApiDomain");
}

#[test]
fn answers_of_the_api_are_never_kept_and_the_token_reaches_it() {
    let config = distribution()["Properties"]["DistributionConfig"].clone();
    let default = &config["DefaultCacheBehavior"];
    assert_eq!(default["CachePolicyId"], CACHING_DISABLED);
    assert_eq!(default["OriginRequestPolicyId"], ALL_VIEWER_EXCEPT_HOST);
    let methods: Vec<_> = texts(&default["AllowedMethods"]);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(methods.iter().any(|allowed| allowed == method), "{method}");
    }
    let errors = config["CustomErrorResponses"].as_sequence().unwrap();
    let codes: Vec<_> = errors.iter().map(|error| error["ErrorCode"].as_u64().unwrap()).collect();
    assert_eq!(codes, KEPT_ERRORS);
    assert!(errors.iter().all(|error| error["ErrorCachingMinTTL"] == 0));
    assert!(config["DefaultRootObject"].is_null(), "paths are those of the API");
}

#[test]
fn only_files_whose_address_changes_with_their_content_are_kept() {
    let config = distribution()["Properties"]["DistributionConfig"].clone();
    let [files] = config["CacheBehaviors"].as_sequence().unwrap().as_slice() else { panic!("one behavior") };
    assert_eq!(files["PathPattern"], "/console/assets/*");
    assert_eq!(files["CachePolicyId"], CACHING_OPTIMIZED);
    // A policy of response headers would replace those of the function.
    assert!(files["ResponseHeadersPolicyId"].is_null());
    assert!(config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"].is_null());
}

#[test]
fn the_origin_is_the_address_of_the_http_api_over_tls() {
    let config = distribution()["Properties"]["DistributionConfig"].clone();
    let [origin] = config["Origins"].as_sequence().unwrap().as_slice() else { panic!("one origin") };
    let host = "${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}";
    assert_eq!(texts(&origin["DomainName"]), [host]);
    assert_eq!(origin["CustomOriginConfig"]["OriginProtocolPolicy"], "https-only");
    for behavior in [&config["DefaultCacheBehavior"], &config["CacheBehaviors"][0]] {
        assert_eq!(behavior["ViewerProtocolPolicy"], "redirect-to-https");
        assert_eq!(behavior["TargetOriginId"], origin["Id"]);
    }
}

/// A web ACL without a distribution would protect nothing.
#[test]
fn a_web_acl_belongs_to_the_distribution_and_is_none_by_default() {
    let template = template();
    assert_eq!(template["Parameters"]["WebAclArn"]["Default"], "");
    let acl = texts(&distribution()["Properties"]["DistributionConfig"]["WebACLId"]);
    assert_eq!(acl, ["HasWebAcl", "WebAclArn", "AWS::NoValue"]);
    let rule = &template["Rules"]["WebAclNeedsCloudFront"]["Assertions"][0];
    assert_eq!(texts(&rule["Assert"]), ["CloudFront", "on"]);
}
