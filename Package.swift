// swift-tools-version: 6.2
import PackageDescription

/// Set by `make fuzz` alone: our layers then count the ways that are taken through them, and there is a program more.
let isFuzzing = Context.environment["POLYKEY_FUZZ"] == "1"

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// As they are compiled for fuzzing: tests of the inside, too.
let layerSettings = settings + (isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing"])] : [])

/// A target of ours: a row of the table of layers in docs/architecture.md.
func layer(_ name: String, imports dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: layerSettings)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
    swiftSettings: settings)
}

let package = Package(
  name: "polykey",
  products: [
    .library(name: "Age", targets: ["Age"]),
    .library(name: "SSHSignature", targets: ["SSHSignature"]),
    .library(name: "TarStream", targets: ["TarStream"]),
    .library(name: "VirtualFS", targets: ["VirtualFS"]),
    .executable(name: "polykey", targets: ["polykey"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
  ],
  targets: [
    .systemLibrary(name: "CLibFuse3"),
    .systemLibrary(name: "CLibSodium"),
    .systemLibrary(name: "CLibGit2"),
    .systemLibrary(name: "CLibCrypto"),
    .systemLibrary(name: "CLinux"),
    .target(
      name: "FuseBridge", dependencies: ["CLibFuse3"], cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
    layer("SecretMemory", imports: ["CLibSodium"]),
    layer("Age", imports: ["SecretMemory"]),
    layer("SSHSignature", imports: ["SecretMemory"]),
    layer("TarStream", imports: []),
    layer("GitStore", imports: ["CLibGit2", "CLibCrypto"]),
    layer("VirtualFS", imports: []),
    layer(
      "Vault",
      imports: [
        "VirtualFS", "GitStore", "Age", "SSHSignature", "TarStream", "SecretMemory", "CLinux",
        .product(name: "HeapModule", package: "swift-collections"),
      ]),
    layer("FuseMount", imports: ["FuseBridge", "VirtualFS"]),
    layer(
      "PeerSync",
      imports: [
        "Vault", "GitStore",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    .executableTarget(
      name: "polykey",
      dependencies: [
        "FuseMount", "PeerSync", "Vault", "VirtualFS", "GitStore", "Age", "SSHSignature", "TarStream", "SecretMemory",
        "CLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
    .target(
      name: "PowerLoss", dependencies: ["GitStore", "TestSupport"], path: "Tests/PowerLoss", swiftSettings: settings),
    .target(name: "PeerScripts", path: "Tests/PeerScripts", swiftSettings: settings),
    tests(of: "SecretMemory"),
    tests(of: "Age", ["SecretMemory"]),
    tests(of: "SSHSignature"),
    tests(of: "TarStream"),
    tests(of: "GitStore", ["PowerLoss"]),
    tests(of: "VirtualFS"),
    tests(
      of: "Vault",
      ["Age", "GitStore", "SecretMemory", "SSHSignature", "TarStream", "VirtualFS", "PeerScripts", "PowerLoss"]),
    tests(of: "FuseMount", ["VirtualFS"]),
    tests(
      of: "PeerSync",
      [
        "Vault", "GitStore", "VirtualFS",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    .testTarget(
      name: "CommandTests", dependencies: ["TestSupport", "PeerScripts", "polykey"], swiftSettings: settings),
  ]
)

if isFuzzing {
  #if arch(arm64)
    let architecture = "aarch64"
  #else
    let architecture = "x86_64"
  #endif
  package.targets += [
    .systemLibrary(name: "CLibFuzzer", path: "Fuzz/CLibFuzzer"),
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "CLibFuzzer", "PeerSync", "Vault", "GitStore", "Age", "SSHSignature", "TarStream", "SecretMemory",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      path: "Fuzz/Targets", swiftSettings: settings,
      // The one without a main, which the program has.
      linkerSettings: [
        .linkedLibrary("clang_rt.fuzzer_no_main-\(architecture)"), .linkedLibrary("stdc++"), .linkedLibrary("m"),
      ]),
  ]
}
