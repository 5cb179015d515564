// Every sentence of the page. A language is added by another object of this shape, to be
// chosen by navigator.language below. {name} stands for what is filled in.

const english = {
  // the picture
  picture: "Live picture",
  pictureOf: "Live picture: {faces}",
  noFaces: "no face",
  oneFace: "one face",
  manyFaces: "{count} faces",
  inZone: "{zone} {inside}",
  rate: "Looked at",
  age: "Delay",
  network: "Network",
  processor: "Processor",
  perSecond: "{value}/s",
  milliseconds: "{value} ms",
  degrees: "{value} °C",
  unknown: "–",
  watchingOne: "Only you are watching.",
  watchingMore: "{count} are watching.",
  nothingStored: "Nothing is stored.",
  connecting: "Connecting …",
  noAnswer: "The device does not answer.",
  tooOld: "This browser is too old for the page.",
  lost: "The device does not answer. Trying again …",
  waiting: "Waiting for the first picture …",
  paused: "Paused: the camera is closed.",
  held: "Pictures are held back by a command. The switch Snapshots in Home Assistant shows them again, or the command {\"command\":\"set\",\"snapshots\":true}.",
  blind: "The camera gives no picture.",
  full: "As many people are watching as may. Trying again …",

  showLooks: "Show where it looks",

  // zones
  zones: "Zones",
  zonesLead: "Faces are counted in a zone, or never looked at behind a mask. What you draw counts and hides at once. Events and Home Assistant hear of it when you save it, with the new start that follows; a mask that was saved before goes only then.",
  zoneDraw: "Draw a zone",
  zoneName: "Name of the zone",
  zoneKind: "What {name} is for",
  zone_count: "count faces",
  zone_mask: "never look",
  maskNamed: "{name}: never looked at",
  zoneCorners: "Change corners",
  zoneDone: "Done",
  zoneCorner: "Remove corner",
  zoneDelete: "Delete",
  zoneDeleteNamed: "Delete {name}",
  pen: "Picture to draw on: the arrow keys move the cross, Enter sets a corner, Escape ends",
  corner: "Corner {number}, {x} % from the left, {y} % from the top: the arrow keys move it, Delete removes it",
  drawFirst: "Click or tap on the picture to set corners, in their order around the zone: {count} of 3 at least. With the keyboard: arrows move the cross, Enter sets a corner.",
  drawMore: "{count} corners. Set more, drag them where they belong, then press Done.",
  drawOpen: "{count} corners. Drag them, click on the picture for another, press Delete on one or Remove corner to remove it.",
  cornersLeast: "A zone has three corners at least. Its own button deletes it.",

  // now
  now: "Now",
  allWell: "All is well.",
  face: "Face {track}",
  undecided: "undecided",
  seconds: "{value} s",
  minutes: "{value} min",
  pill_ok: "Watching",
  pill_idle: "Waiting for motion",
  pill_paused: "Paused",
  pill_trouble: "Look here",
  pill_offline: "No broker",
  pill_none: "Not connected",
  reason_no_camera: "No camera",
  reason_not_a_camera: "Not a camera",
  reason_bad_frames: "Broken frames",
  reason_frozen: "Frozen",
  reason_dark: "Dark",
  reason_covered: "Covered",
  reason_turned: "Turned away",
  reason_no_face: "No face",
  reason_paused: "Paused",
  reason_model_refused: "Model refused",
  reason_throttled: "Throttled",
  reason_clock_not_set: "Clock not set",
  reason_no_broker: "No broker",
  settingsRefused: "New settings refused, the old ones stay",
  connectingBroker: "connecting; {count} events wait",

  // tuning
  tune: "Tune",
  tuneLead: "What you change shows at once and is taken back when you leave, unless you save it.",
  cameraControls: "Camera controls",
  "tracking.start_confidence": "Sure that it is a face",
  "tracking.confirm_s": "Seen for so long before it counts",
  "tracking.lost_s": "Unseen for so long before it has left",
  "tracking.smallest_face": "Smallest face, of the picture's height",
  "expression.enter": "An expression begins at",
  "expression.leave": "and ends below",
  "expression.hold_s": "It must hold for",
  "expression.smoothing_s": "Smoothed over",
  "pace.max_fps": "Looks at most",
  "camera.rotate": "Turn the picture",
  "camera.mirror": "Mirror it",
  unit_s: "{value} s",
  unit_fps: "{value}/s",
  unit_share: "{value} %",
  turn0: "not at all",
  turn90: "a quarter to the right",
  turn180: "upside down",
  turn270: "a quarter to the left",
  from: "from {place}",
  fixed: "{place} has the last word: change it there.",
  given: "Given by {author}: change it there.",
  author_command: "a command",
  author_group: "the group {group}",
  whatIf: "In the last {seconds} s: {faces}; {expressions}.",
  facesSame: "faces {after}, as before",
  facesNow: "faces {after} instead of {before}",
  expressionsSame: "changes of expression {after}, as before",
  expressionsNow: "changes of expression {after} instead of {before}",
  tooSoon: "In a few seconds this says what the last minute would have been.",
  save: "Save",
  discard: "Discard",
  undo: "Undo last save",
  savedIn: "Saved in {file}.",
  nothingToSave: "Nothing to save: the settings are so already.",
  otherTunes: "Somebody else is tuning, too. This is what is tried now.",
  takenBack: "The device was out of reach, and what was tried and not saved is taken back.",
  savedAndStarts: "Saved in {file}. The device starts again …",
  undone: "The last save is taken back.",
  undoneAndStarts: "The last save is taken back. The device starts again …",
  copyThese: "Copy these lines into your settings:",
  failed: "That did not work: {why}",

  // events
  events: "Events",
  noEvents: "Nothing has happened yet.",
  event_face_appeared: "Face appeared",
  event_expression_started: "Began",
  event_expression_changed: "Changed",
  event_expression_ended: "Ended",
  event_face_left: "Face left",
  fromTo: "{from} → {to}",
  lasted: "after {time}",

  // first run
  setup: "Camera, name and broker",
  whichCamera: "Camera",
  firstCamera: "The first that can be used",
  sourceNow: "As it is now: {source}",
  cameraAt: "{name} ({path})",
  cameraOpen: "The one that is watched.",
  cameraPicture: "Taking its picture …",
  cameraBlind: "No picture: {why}",
  deviceName: "Name in Home Assistant",
  area: "Area",
  broker: "MQTT broker",
  user: "User",
  passwordNote: "A password stays in a file of its own (mqtt.password_file), never here.",
  testBroker: "Test the broker",
  testing: "Asking the broker …",
  saveAndStart: "Save and start again",
  starting: "The device starts again …",
  verdict_ok: "fine",
  verdict_skipped: "not checked",
  verdict_warning: "could be better",
  verdict_problem: "does not work",

  // the way in
  loginLead: "This device shows what its camera sees only to whoever has its token.",
  token: "Token",
  login: "Open",
  logout: "Log out",
  stillIn: "Not logged out: try again",
  wrongToken: "That is not the token.",
  tooMany: "Too many wrong tokens. Wait a minute.",
};

const words = english;

/** The sentence called `key`, filled in. A key without one is its own sentence. */
export function say(key, values = {}) {
  const sentence = words[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A name of the device's, as it is written for people. */
export const spoken = (name) => name.replaceAll("_", " ");

/** Whether there is a sentence called `key`. */
export const knows = (key) => key in words;

/** Fills in every element that names its sentence. */
export function speak(root = document) {
  for (const element of root.querySelectorAll("[data-word]")) {
    element.textContent = say(element.dataset.word);
  }
}

/** A span of time for a person. */
export function time(seconds) {
  if (seconds >= 120) return say("minutes", { value: Math.round(seconds / 60) });
  return say("seconds", { value: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) });
}
