const page = document.documentElement;
const toggle = document.getElementById("language");
function show(language) {
  page.lang = language;
  toggle.textContent = language === "zh" ? "English" : "中文";
}
toggle.addEventListener("click", () => show(page.lang === "zh" ? "en" : "zh"));
show(page.dataset.language === "auto" ? (navigator.language.startsWith("zh") ? "zh" : "en") : page.dataset.language);
