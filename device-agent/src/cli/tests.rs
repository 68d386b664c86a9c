//! The command line as a whole.

use clap::CommandFactory;

use super::*;

#[test]
fn every_option_has_an_environment_variable_of_its_name() {
    Args::command().debug_assert();
    for command in std::iter::once(&Args::command()).chain(Args::command().get_subcommands()) {
        let options = command.get_arguments().filter(|it| !it.is_positional());
        for option in options.filter(|it| !matches!(it.get_id().as_str(), "help" | "version")) {
            let name = option.get_long().expect("options are long").to_uppercase().replace('-', "_");
            let variable = option.get_env().map(|it| it.to_string_lossy().into_owned());
            assert_eq!(variable, Some(format!("FIRSTHOP_AGENT_{name}")), "{}", command.get_name());
        }
    }
}

#[test]
fn no_variable_of_an_option_is_one_of_the_configuration_and_no_other() {
    use crate::gateway::settings::ENVIRONMENT;
    for command in Args::command().get_subcommands() {
        for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
            assert!(!variable.to_string_lossy().starts_with(ENVIRONMENT), "{variable:?}");
        }
    }
}

#[test]
fn every_command_shows_an_example_and_the_exit_codes() {
    for command in Args::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let help = command.clone().render_long_help().to_string();
        let example = format!("Example: firsthop-agent {}", command.get_name());
        assert!(help.contains(&example), "{help}");
        assert!(help.contains("Exit codes"), "{help}");
    }
}
