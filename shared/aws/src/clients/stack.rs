//! The deployed stack: its outputs and parameters, as CloudFormation has them.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::error::ProvideErrorMetadata;

use crate::clients::client::Aws;

/// Why a stack cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("There is no stack {name} in {region}. Check --stack and --region.")]
    NotFound { name: String, region: String },
    #[error("The stack {name} is not a shared-inbox stack: it has no output {output}. Check --stack.")]
    OutputMissing { name: String, output: String },
    #[error("AWS does not accept the credentials ({code}). Sign in to the account of the stack.")]
    Credentials { code: String },
    #[error(
        "The credentials do not have the permission cloudformation:DescribeStacks. Use those of an operator."
    )]
    Forbidden,
    #[error("CloudFormation in {region} did not answer. Check --region and the network.")]
    Unavailable { region: String },
}

/// A deployed stack.
#[derive(Debug, Clone)]
pub struct Stack {
    name: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl Stack {
    /// Reads the outputs and parameters of a stack.
    pub async fn read(aws: &Aws, name: &str) -> Result<Self, StackError> {
        let region = aws.region.to_string();
        let described = aws.cloudformation().describe_stacks().stack_name(name).send().await;
        let described = described.map_err(|error| match error.code() {
            Some("ValidationError") => StackError::NotFound { name: name.to_owned(), region: region.clone() },
            Some("AccessDenied" | "AccessDeniedException") => StackError::Forbidden,
            Some(code) if CREDENTIAL_ERRORS.contains(&code) => {
                StackError::Credentials { code: code.to_owned() }
            }
            _ => StackError::Unavailable { region: region.clone() },
        })?;
        let stack = described.stacks.unwrap_or_default().into_iter().next();
        let stack = stack.ok_or_else(|| StackError::NotFound { name: name.to_owned(), region })?;
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        Ok(Self {
            name: name.to_owned(),
            outputs: outputs.filter_map(|output| output.output_key.zip(output.output_value)).collect(),
            parameters: parameters.filter_map(|one| one.parameter_key.zip(one.parameter_value)).collect(),
        })
    }

    /// Creates the description of a stack.
    pub fn new(
        name: impl Into<String>,
        outputs: BTreeMap<String, String>,
        parameters: BTreeMap<String, String>,
    ) -> Self {
        Self { name: name.into(), outputs, parameters }
    }

    /// Returns an output that every shared-inbox stack has.
    pub fn output(&self, output: &str) -> Result<&str, StackError> {
        self.optional_output(output)
            .ok_or_else(|| StackError::OutputMissing { name: self.name.clone(), output: output.to_owned() })
    }

    /// Returns an output. `None` if the stack does not have it.
    pub fn optional_output(&self, output: &str) -> Option<&str> {
        self.outputs.get(output).map(String::as_str)
    }

    /// Returns a parameter. `None` if it is empty or the template does not have it.
    pub fn parameter(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter).map(String::as_str).filter(|value| !value.is_empty())
    }
}

const CREDENTIAL_ERRORS: [&str; 6] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
];
