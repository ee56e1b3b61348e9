//! The command line: reads the arguments, runs one command, and prints one JSON document.

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};
use inboxctl::{
    Error, Operator,
    contact::{self, ContactSelection, ErasureRequest},
    dead_letters::{self, NamedQueue, Selection},
    doctor, machine,
    number::{self, Adoption, Carrier},
    operator,
    organization::{self, NewOrganization},
    registration::{self, Confirmation},
    restore::{self, RestoreCommand},
    secret::{self, NewSecret, Rotation},
    sending::{self, SendingChange},
    team::{self, Hold},
    token::{self, TokenRequest},
    trace::{self, TraceRequest},
    user::{self, NewUser, UserRemoval},
};
use serde_json::{Value, json};
use shared_aws::clients::{Bucket, LogReader, Stack};
use shared_lambda::clock;

/// Sets up and operates a shared-inbox stack. Prints one JSON document
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Name of the CloudFormation stack. There is no default, so that none is reached by mistake
    #[arg(long, global = true, env = "INBOXCTL_STACK")]
    stack: Option<String>,
    /// Region of the stack. By default, that of the AWS CLI
    #[arg(long, global = true)]
    region: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Organizations with their first owner
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Users of an organization
    #[command(subcommand)]
    User(UserCommand),
    /// Machine clients, which send messages by API code
    #[command(subcommand)]
    Machine(MachineCommand),
    /// Numbers of the carrier's account
    #[command(subcommand)]
    Number(NumberCommand),
    /// Registrations of teams
    #[command(subcommand)]
    Registration(RegistrationCommand),
    /// Queue messages that could not be processed
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Personal data of one contact
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Teams
    #[command(subcommand)]
    Team(TeamCommand),
    /// The carrier's credentials and the signing keys
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Pauses or resumes the sending of messages
    Sending(SendingChange),
    /// Finds what is wrong with the stack and its account at the carrier
    Doctor {
        /// Sets the webhooks of numbers, mends messaging services, and creates the event sink
        #[arg(long)]
        mend: bool,
    },
    /// Restores the table and the files from backups, without sending anything again
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Prints what happened to one message, without its text and numbers
    Trace(TraceRequest),
    /// Prints a token of a user. For a local cloud only
    Token(TokenRequest),
}

#[derive(Subcommand)]
enum OrganizationCommand {
    /// Creates an organization and invites its owner
    Create(NewOrganization),
    /// Lists all organizations
    List,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Adds a user and sends an invitation
    Create(NewUser),
    /// Removes a user from the organization with all memberships and locks
    Remove(UserRemoval),
}

#[derive(Subcommand)]
enum MachineCommand {
    /// Creates a machine client for an organization
    Create(machine::NewMachine),
}

#[derive(Subcommand)]
enum NumberCommand {
    /// Creates a shared inbox with a number that the carrier's account owns
    Adopt(Adoption),
}

#[derive(Subcommand)]
enum RegistrationCommand {
    /// Completes the registration of a team whose campaign was registered outside the product
    Confirm(Confirmation),
}

#[derive(Subcommand)]
enum DeadLettersCommand {
    /// Lists the queue messages
    List(Selection),
    /// Shows a queue message without its body
    Show {
        /// ID of the queue message, as `list` prints it
        #[arg(long)]
        id: String,
    },
    /// Sends queue messages to their queue again. Those of `relay` come from none
    Redrive(Selection),
    /// Deletes queue messages
    Discard {
        #[command(flatten)]
        selection: Selection,
        /// Deletes all of them without naming one with --id
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand)]
enum ContactCommand {
    /// Prints the contacts, opt-outs, conversations, segments and broadcasts of a number
    Export(ContactSelection),
    /// Erases everything that the stack holds about a number. Only a hashed opt-out stays
    Erase(ErasureRequest),
}

#[derive(Subcommand)]
enum TeamCommand {
    /// Begins or ends a legal hold. Nothing of a team under a hold is erased
    Hold(Hold),
}

#[derive(Subcommand)]
enum SecretCommand {
    /// Stores the carrier's credentials, or rotates the auth token
    Create(NewSecret),
    /// Adds a key that signs cursors and status callbacks. The one before stays valid for a week
    Rotate(Rotation),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let prints_failure = !matches!(arguments.command, Command::Token(_));
    match run(&arguments).await {
        Ok(document) => {
            print(&document);
            // Only the doctor and the check of a restore say whether everything is right.
            if document["ok"] == false { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            if prints_failure {
                print(&error.document());
            }
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Value, Error> {
    let name = arguments.stack.as_deref().filter(|name| !name.is_empty()).ok_or(Error::NoStack)?;
    let aws = operator::aws(arguments.region.clone())?;
    let stack = Stack::read(&aws, name).await?;
    let operator = Operator::of_stack(&aws, &stack, clock::now(), clock::entropy())?;
    Ok(match &arguments.command {
        Command::Organization(OrganizationCommand::Create(new)) => {
            json!(organization::create(&operator, new).await?)
        }
        Command::Organization(OrganizationCommand::List) => {
            json!({ "items": organization::list(&operator).await? })
        }
        Command::User(UserCommand::Create(new)) => json!(user::create(&operator, new).await?),
        Command::User(UserCommand::Remove(removal)) => {
            let confirm = || confirm("Remove the user with all memberships?");
            json!(user::remove(&operator, removal, confirm).await?)
        }
        Command::Machine(MachineCommand::Create(new)) => json!(machine::create(&operator, new).await?),
        Command::Number(NumberCommand::Adopt(adoption)) => {
            let carrier = Carrier::of_stack(&aws, &stack).await?;
            json!(number::adopt(&operator, &carrier, adoption).await?)
        }
        Command::Registration(RegistrationCommand::Confirm(confirmation)) => {
            json!(registration::confirm(&operator, confirmation).await?)
        }
        Command::DeadLetters(command) => {
            let queues = dead_letters::queues(&aws, &stack)?;
            dead_letters(&operator, &queues, command).await?
        }
        Command::Contact(command) => {
            let bucket = Bucket::new(&aws, stack.output("FilesBucket")?);
            match command {
                ContactCommand::Export(contact) => {
                    json!(contact::export(&operator, &bucket, contact).await?)
                }
                ContactCommand::Erase(request) => {
                    let queues = dead_letters::queues(&aws, &stack)?;
                    let confirm = || confirm("Erase the contact? This cannot be undone.");
                    let pause = async || tokio::time::sleep(contact::EVENT_DELAY).await;
                    json!(
                        contact::erase(&operator, &bucket, &queues, request, clock::now, confirm, pause)
                            .await?
                    )
                }
            }
        }
        Command::Team(TeamCommand::Hold(request)) => json!(team::hold(&operator, request).await?),
        Command::Secret(SecretCommand::Create(new)) => {
            json!(secret::create(&aws, &stack, new, clock::entropy).await?)
        }
        Command::Secret(SecretCommand::Rotate(rotation)) => {
            let confirm = || confirm("Rotate the signing keys?");
            json!(secret::rotate(&aws, &stack, &operator, rotation, confirm, clock::entropy).await?)
        }
        Command::Sending(change) => json!({ "items": sending::change(&operator, change).await? }),
        Command::Doctor { mend } => json!(doctor::examine(&aws, &stack, &operator, *mend).await?),
        Command::Restore(command) => {
            let report = |message: String| eprintln!("{message}");
            restore::run(&aws, &stack, &operator, command, clock::now, report).await?
        }
        Command::Trace(request) => {
            let logs = LogReader::of_stack(&aws, name);
            json!(trace::trace(&operator, &logs, request).await?)
        }
        Command::Token(request) => json!(token::create(&operator, request).await?),
    })
}

async fn dead_letters(
    operator: &Operator,
    queues: &[NamedQueue],
    command: &DeadLettersCommand,
) -> Result<Value, Error> {
    Ok(match command {
        DeadLettersCommand::List(selection) => {
            json!({ "items": dead_letters::list(queues, selection).await? })
        }
        DeadLettersCommand::Show { id } => json!(dead_letters::show(queues, id).await?),
        DeadLettersCommand::Redrive(selection) => {
            json!({ "items": dead_letters::redrive(operator, queues, selection).await? })
        }
        DeadLettersCommand::Discard { selection, yes } => {
            json!({ "items": dead_letters::discard(operator, queues, selection, *yes).await? })
        }
    })
}

/// Asks on the terminal. No answer is a no.
fn confirm(question: &str) -> bool {
    eprint!("{question} Type yes: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

#[allow(clippy::print_stdout, reason = "standard output is the result of this program")]
fn print(document: &Value) {
    println!("{document:#}");
}
