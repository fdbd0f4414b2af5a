"use strict";
// Decodes an image, runs the model on it and shows the answer. All names are set as text, never as HTML.

const place = (id) => document.getElementById(id);
const settings = JSON.parse(place("settings").textContent);
const MOST = 20; // bars that are shown

const say = (text) => { place("status").textContent = text; };

async function unpacked(id) {
  const text = place(id).textContent;
  place(id).remove();
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function load() {
  const code = URL.createObjectURL(new Blob([await unpacked("runtime")], { type: "text/javascript" }));
  const ort = await import(code);
  URL.revokeObjectURL(code);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpacked("binary");
  return [ort, await ort.InferenceSession.create(await unpacked("model"))];
}

// Upright as EXIF says, on white where it is transparent: [canvas, RGB as uint8].
async function decoded(file) {
  const options = { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, options);
  const { width, height } = bitmap;
  if (width * height > settings.pixels) throw new Error(`${width}x${height} is more than ${settings.pixels} pixels`);
  const canvas = place("image");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  canvas.hidden = false;
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    [rgb[to], rgb[to + 1], rgb[to + 2]] = [data[from], data[from + 1], data[from + 2]];
  }
  return [rgb, [1, height, width, 3]];
}

function showClasses(outputs) {
  const values = Array.from(outputs.probabilities.data);
  const order = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
  const rows = order.slice(0, MOST).map((k) => {
    const row = document.createElement("li");
    row.dataset.value = values[k];
    for (const [kind, text] of [["name", settings.names[k]], ["value", `${(100 * values[k]).toFixed(1)} %`], ["bar", ""]]) {
      const part = document.createElement("span");
      part.className = kind;
      part.textContent = text;
      row.append(part);
    }
    row.lastChild.style.width = `${100 * values[k]}%`;
    return row;
  });
  place("answer").replaceChildren(...rows);
}

// The likeliest path of CTC: repeated ids once, blanks (id 0) left out, and with them the other special ids.
function greedy(outputs) {
  const [, , ids] = outputs.logits.dims;
  const logits = outputs.logits.data;
  let text = "";
  let last = 0;
  for (let step = 0; step < Number(outputs.lengths.data[0]); step += 1) {
    let best = 0;
    for (let id = 1; id < ids; id += 1) if (logits[step * ids + id] > logits[step * ids + best]) best = id;
    if (best !== last && best >= settings.special) text += settings.names[best];
    last = best;
  }
  return text;
}

async function main() {
  const [ort, session] = await load();
  let queue = Promise.resolve();
  const answer = async (file) => {
    say("Working ...");
    document.body.dataset.answered = "";
    place(settings.kind === "text" ? "text" : "answer").replaceChildren();
    try {
      const [rgb, shape] = await decoded(file);
      const outputs = await session.run({ image: new ort.Tensor("uint8", rgb, shape) });
      if (settings.kind === "text") place("text").textContent = greedy(outputs);
      else showClasses(outputs);
      say(file.name || "");
    } catch (error) {
      place("image").hidden = true;
      say(`${file.name || "This"} cannot be read as an image: ${error.message}`);
    }
    document.body.dataset.answered = "yes";
  };
  const take = (files) => { if (files.length) queue = queue.then(() => answer(files[0])); };
  const drop = place("drop");
  place("file").addEventListener("change", (event) => take(event.target.files));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
  place("file").disabled = false;
  say("Ready.");
}

main().catch((error) => say(`This browser cannot run the model: ${error.message}`));
