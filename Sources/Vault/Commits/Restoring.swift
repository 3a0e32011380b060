internal import GitStore

/// The README.md at the root of every data commit: one of a few constant blobs, so that it says nothing of the vault.
///
/// People run the commands in it, so no member can write another there; see docs/format.md, "Versions".
enum Restoring {
  /// The text that vaults of a format are written with: of one that is not known yet the newest.
  static func text(format: Int) -> NewObject { format == 1 ? first : safe }

  /// Every text that a vault of `format` can have: those of older formats, too, as what was written stays valid.
  static func texts(format: Int) -> Set<ObjectName> {
    Set(blobs.filter { $0.key <= format }.flatMap(\.value))
  }

  /// Every text that any format ever had.
  static let texts: Set<ObjectName> = Set(blobs.values.joined())

  /// The names of the texts, by the format that they came with.
  private static let blobs: [Int: [ObjectName]] = [
    // The older one looked for the key of the first epoch only; vaults of 2026-11-24 have it.
    1: [first.name] + [ObjectName(hex: "54de64da64c565325f7254ce09717cedd770c2c8".utf8)].compactMap(\.self),
    2: [safe.name],
  ]

  /// Commands that name objects by their hashes only, and make nothing outside of a new directory, whoever kept the repository.
  private static let safe = NewObject(kind: .blob, bytes: [UInt8](safeText.utf8))

  /// Format 1's: the shell splits names that others chose, and what tar makes is as they want it.
  private static let first = NewObject(kind: .blob, bytes: [UInt8](firstText.utf8))

  private static let safeText = """
    # This is a Polykey vault

    Each `.age` file below is a secret, encrypted with age (https://age-encryption.org/v1): a tar member with its name,
    mode, times and content. With this repository (VAULT.git, a directory or a URL) and the age identity file of a member
    (IDENTITY) you can recover everything using only git, age, GNU tar and GNU find. First get the keys:

        umask 077
        out=$(mktemp -d "$PWD/restored.XXXXXX") && mkdir "$out/files"
        git clone -q --mirror --no-local VAULT.git "$out/vault.git"
        git -C "$out/vault.git" ls-tree --format='%(objectname)' refs/heads/members:keys |
          while read -r oid; do git -C "$out/vault.git" cat-file blob "$oid" | age -d -i IDENTITY; done |
          grep -x 'AGE-SECRET-KEY-1[0-9A-Z]*' > "$out/vault.key"
        archive() {
          git -C "$out/vault.git" ls-tree -r --format='%(objectname) %(path)' "$1" |
            grep -Ex '[0-9a-f]+ [0-9a-f]{2}/[0-9a-f]{30}([.]p[0-9]{8})?[.]age' | LC_ALL=C sort -k2 |
            while read -r oid path; do git -C "$out/vault.git" cat-file blob "$oid" | age -d -i "$out/vault.key"; done
        }

    Then restore the files. They are yours alone, without owners, set-id bits, devices, and attributes other than `user.*`,
    because whoever kept the repository, or wrote to the vault, can have put anything there:

        archive refs/heads/main |
          tar -x --ignore-zeros --no-same-owner --no-same-permissions --xattrs --xattrs-include='user.*' \\
            --delay-directory-restore -C "${out:?}/files"
        find "${out:?}/files" '(' -type b -o -type c ')' -delete

    If only you ever wrote to the vault, and only you could change the repository, this in their place brings back
    everything; as root with owners and devices:

        archive refs/heads/main |
          tar -xp --ignore-zeros --numeric-owner --xattrs --xattrs-include='*' \\
            --delay-directory-restore -C "${out:?}/files"

    In the end remove the keys:

        shred -u "${out:?}/vault.key"
        rm -rf "${out:?}/vault.git"

    An older version: put a commit's name in the place of `refs/heads/main`.

    """

  private static let firstText = """
    # This is a Polykey vault

    Each `.age` file below is a secret, encrypted with age (https://age-encryption.org/v1): a tar member with its name,
    mode, times and content. Whoever has this repository (VAULT.git) and the age identity file of a member (IDENTITY) gets
    everything back with git, age and GNU tar alone:

        git -C VAULT.git ls-tree --name-only members:keys |
          while read key; do git -C VAULT.git show members:keys/$key | age -d -i IDENTITY; done > vault.key
        mkdir out
        git -C VAULT.git ls-tree -r --format='%(objectname) %(path)' main |
          grep -E ' [0-9a-f]{2}/[^/]*\\.age$' | LC_ALL=C sort -k2 |
          while read oid path; do git -C VAULT.git cat-file blob $oid | age -d -i vault.key; done |
          tar -xp --xattrs --xattrs-include='*' --delay-directory-restore -C out
        shred -u vault.key

    An older version is restored in the same way: put a commit's name in the place of `main`.

    """
}
