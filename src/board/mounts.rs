//! Whether what is written to a folder is still there after the next start.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::escapes;

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// Where it is mounted, for this process.
    at: PathBuf,
    /// `ext4`, `tmpfs`, `overlay`.
    kind: String,
    /// Of an overlay, where what is written goes.
    upper: Option<PathBuf>,
}

/// Why nothing outlives a restart of the machine in `folder`, which is there; none where something
/// may. That a folder itself is in memory is told where a service was `given` it: whoever chooses
/// one by hand means it.
pub(crate) fn forgets(folder: &Path, given: bool) -> Option<&'static str> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    forgetting(&text, &fs::canonicalize(folder).ok()?, given)
}

fn forgetting(mountinfo: &str, folder: &Path, given: bool) -> Option<&'static str> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    let mount = below(&mounts, folder)?;
    if in_memory(mount) {
        return given.then_some("it is in memory (tmpfs)");
    }
    let upper = below(&mounts, mount.upper.as_deref()?)?;
    in_memory(upper).then_some("the file system is an overlay whose changes are in memory")
}

fn in_memory(mount: &Mount) -> bool {
    ["tmpfs", "ramfs"].contains(&&*mount.kind)
}

/// The mount that a path lies on: of several in one place the last is on top.
fn below<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let over = mounts.iter().filter(|mount| path.starts_with(&mount.at));
    over.max_by_key(|mount| mount.at.components().count())
}

/// `36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, with as many
/// fields as it likes before the dash.
fn mount(line: &str) -> Option<Mount> {
    let (place, rest) = line.split_once(" - ")?;
    let at = unescaped(place.split(' ').nth(4)?);
    let mut rest = rest.split(' ');
    let (kind, _, options) = (rest.next()?.to_owned(), rest.next()?, rest.next()?);
    let upper = options.split(',').find_map(|option| option.strip_prefix("upperdir="));
    let upper = upper.filter(|_| kind == "overlay").map(unescaped);
    Some(Mount { at, kind, upper })
}

/// A path in which blanks and backslashes are written as `\040`, in octal.
fn unescaped(text: &str) -> PathBuf {
    let bytes = escapes::unescaped(text, |digits| escapes::number(digits, 8));
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "/var/lib/private/expressiond";
    /// Of a board with its file system on a card.
    const CARD: &str = "\
24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
25 24 0:5 / /dev rw,relatime shared:2 - devtmpfs udev rw,size=1669144k,nr_inodes=417286,mode=755
29 24 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=389304k,mode=755
61 24 179:1 / /boot/firmware rw,relatime shared:30 - vfat /dev/mmcblk0p1 rw,fmask=0022,dmask=0022
";
    /// As overlayroot mounts it (Raspberry Pi OS: raspi-config, "Overlay File System").
    const OVERLAY: &str = "\
26 31 179:2 / /media/root-ro ro,relatime shared:1 - ext4 /dev/mmcblk0p2 ro
27 31 0:22 / /media/root-rw rw,relatime shared:2 - tmpfs tmpfs-root rw
31 1 0:23 / / rw,relatime shared:3 - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_,uuid=on
";
    /// In a container the folder of the changes cannot be seen.
    const CONTAINER: &str = "\
911 780 0:57 / / rw,relatime master:340 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/var/lib/docker/overlay2/c/diff,workdir=/var/lib/docker/overlay2/c/work
912 911 0:60 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
";

    #[test]
    fn what_is_in_memory_is_known_whatever_lies_over_it() {
        let forgets = |mounts: &str| forgetting(mounts, Path::new(STATE), true);
        assert_eq!(forgets(CARD), None);
        assert!(forgets(OVERLAY).is_some_and(|why| why.contains("overlay")));
        assert_eq!(forgets(CONTAINER), None, "nobody here knows");
        let tmpfs = "70 24 0:44 / /var/lib/private rw - tmpfs tmpfs rw,size=10240k\n";
        assert!(forgets(&format!("{CARD}{tmpfs}")).is_some_and(|why| why.contains("tmpfs")));
        // What the remedy asks for.
        let disk = format!("71 31 8:1 / {STATE} rw,relatime shared:9 - ext4 /dev/sda1 rw\n");
        assert_eq!(forgets(&format!("{OVERLAY}{disk}")), None);
        let run = |folder: &str, given| forgetting(CARD, Path::new(folder), given);
        assert!(run("/run/expressiond", true).is_some());
        assert_eq!((run("/run/expressiond", false), run("/runs", true)), (None, None));
        assert!(forgetting(OVERLAY, Path::new("/home/pi/state"), false).is_some());
        assert_eq!(forgets("nonsense"), None);
    }

    #[test]
    fn of_several_in_one_place_the_last_counts() {
        let over = format!("{CARD}72 24 0:45 / / rw - tmpfs tmpfs rw\n");
        assert!(forgetting(&over, Path::new(STATE), true).is_some());
        assert_eq!(unescaped(r"/mnt/my\040disk\134"), Path::new(r"/mnt/my disk\"));
        assert_eq!(unescaped(r"/a\04"), Path::new(r"/a\04"));
    }
}
