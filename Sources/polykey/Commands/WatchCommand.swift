import ArgumentParser
import Vault

/// `polykey watch`.
struct WatchSecrets: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Wait for changes of secrets; print them, or have a service take them up.",
    discussion: """
      Of a directory, all that is in it counts. Without an action each change is a line, VAULT:PATH. A command finds these lines on its \
      standard input and, if they are short enough for that (120 KiB), in POLYKEY_CHANGED; never the values. Changes that come together are one action. What fails is told on stderr; it goes on until SIGTERM.

      A mount or `polykey serve` on this machine brings what peers write.

      Examples:
        polykey watch prod:db prod:tls/key.pem
        polykey watch prod:tls --exec 'nginx -s reload'
        polykey watch prod:tls --signal HUP /run/nginx.pid
        polykey watch prod:tls --reload nginx.service
      """)

  @OptionGroup var identity: IdentityOptions
  @Argument(help: "VAULT:PATH; VAULT: is the whole vault.") var addresses: [Address]
  @Option(help: ArgumentHelp("Run a command of the shell.", valueName: "command")) var exec: String?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Send a signal to a process, or to that of a PID file given by its full path.", valueName: "signal> <pid"))
  var signal: [String] = []
  @Option(help: ArgumentHelp("Have systemd reload a unit.", valueName: "unit")) var reload: String?
  @Flag(help: "Print one JSON object a line.") var json = false

  func validate() throws {
    guard [exec != nil, !signal.isEmpty, reload != nil, json].count(where: { $0 }) <= 1 else {
      throw ValidationError("Give one of --exec, --signal, --reload and --json.")
    }
    if !signal.isEmpty {
      guard signal.count == 2, WatchAction.signal(named: signal[0]) != nil else {
        throw ValidationError("Give --signal a signal and a process, as in --signal HUP 123, after the secrets.")
      }
      guard signal[1].hasPrefix("/") || Int32(signal[1]).map({ $0 > 0 }) ?? false else {
        throw ValidationError("Give --signal the number of a process, or the full path of a file that has it.")
      }
    }
  }

  func run() throws {
    try explained { try WatchService(addresses, action, try identity.keynode()).run() }
  }

  private var action: WatchAction {
    if let exec { return .run(exec) }
    if let reload { return .reload(reload) }
    if signal.count == 2, let number = WatchAction.signal(named: signal[0]) {
      return .signal(number, process: signal[1])
    }
    return .show(json: json)
  }
}
